#define BARREN_KERNEL_NAMESPACE neon
#define BARREN_KERNEL_NAME "neon"
#define BARREN_VECTOR_BYTES 16
#include "kernels.inl"
