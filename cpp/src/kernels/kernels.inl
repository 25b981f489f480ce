// The kernels, written once with vector types and compiled once an instruction set: each including file defines
// BARREN_KERNEL_NAMESPACE, BARREN_KERNEL_NAME and BARREN_VECTOR_BYTES. Only functions of internal linkage and no
// standard templates here: an inline function compiled for AVX-512 must never be the copy that the linker keeps for
// everybody. Only constant initialisation, for the same reason: nothing here may run before the probe.

#include <cstddef>
#include <cstdint>

#include "barren/dispatch.hpp"

#if defined(__x86_64__) || defined(_M_X64)
// GCC 12 takes its own undefined vectors in this header for a mistake.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace barren {
namespace BARREN_KERNEL_NAMESPACE {
namespace {

// clang-format off: each part needs the ones before it
#include "vectors.inl"
#include "psi.inl"
#include "products.inl"
#include "residues.inl"
#include "waves.inl"
#include "euclid.inl"
#include "walsh.inl"
// clang-format on

}  // namespace

const Kernels& set() {
    static constexpr Kernels kernels{BARREN_KERNEL_NAME,
                                     {step<float>, evaluate_narrow<float>, evaluate_wide<float>, multiply<float>,
                                      step_and_multiply<float>, waves<float>, waves_and_multiply<float>},
                                     {step<double>, evaluate_narrow<double>, evaluate_wide<double>, multiply<double>,
                                      step_and_multiply<double>, waves<double>, waves_and_multiply<double>},
                                     multiply_narrow,
                                     multiply_wide,
                                     dedekind_narrow,
                                     dedekind_wide,
                                     walsh};
    return kernels;
}

}  // namespace BARREN_KERNEL_NAMESPACE
}  // namespace barren
