#define BARREN_KERNEL_NAMESPACE avx512
#define BARREN_KERNEL_NAME "avx512"
#define BARREN_VECTOR_BYTES 64
#include "kernels.inl"
