#define BARREN_KERNEL_NAMESPACE avx512ifma
#define BARREN_KERNEL_NAME "avx512ifma"
#define BARREN_VECTOR_BYTES 64
#include "kernels.inl"
