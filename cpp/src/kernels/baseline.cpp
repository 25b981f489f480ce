#define BARREN_KERNEL_NAMESPACE baseline
#define BARREN_KERNEL_NAME "baseline"
#define BARREN_VECTOR_BYTES 16
#include "kernels.inl"
