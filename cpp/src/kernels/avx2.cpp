#define BARREN_KERNEL_NAMESPACE avx2
#define BARREN_KERNEL_NAME "avx2"
#define BARREN_VECTOR_BYTES 32
#include "kernels.inl"
