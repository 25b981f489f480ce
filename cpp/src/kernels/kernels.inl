// The kernels, written once with vector types and compiled once an instruction set: each including file defines
// BARREN_KERNEL_NAMESPACE and BARREN_VECTOR_BYTES. Only functions of internal linkage and no standard templates here:
// an inline function compiled for AVX-512 must never be the copy that the linker keeps for everybody.

#include <cstddef>
#include <cstdint>

#include "barren/dispatch.hpp"

namespace barren {
namespace BARREN_KERNEL_NAMESPACE {
namespace {

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(BARREN_VECTOR_BYTES)));
};
typedef std::uint32_t Residues __attribute__((vector_size(BARREN_VECTOR_BYTES)));

constexpr std::size_t residue_width = BARREN_VECTOR_BYTES / sizeof(std::uint32_t);
constexpr std::size_t residue_vectors = lanes / residue_width;

template <class V>
inline V load(const void* source) {
    V vector;
    __builtin_memcpy(&vector, source, sizeof(V));
    return vector;
}

template <class T>
void look_up_consecutive(const T* table, std::uint32_t modulus, const std::uint32_t* multipliers,
                         std::uint32_t* residues, std::size_t count, T* values) {
    Residues r[residue_vectors], a[residue_vectors];
    for (std::size_t v = 0; v < residue_vectors; ++v) {
        r[v] = load<Residues>(residues + v * residue_width);
        a[v] = load<Residues>(multipliers + v * residue_width);
    }
    alignas(64) std::int32_t index[lanes];
    for (std::size_t i = 0; i < count; ++i) {
        __builtin_memcpy(index, r, sizeof(index));
        T* out = values + i * lanes;
        for (std::size_t l = 0; l < lanes; ++l) out[l] = table[index[l]];
        for (std::size_t v = 0; v < residue_vectors; ++v) {
            // r, a < m < 2^31, so r + a does not wrap and r + a − m wraps exactly when nothing is to be subtracted.
            const Residues sum = r[v] + a[v];
            const Residues reduced = sum - modulus;
            r[v] = reduced < sum ? reduced : sum;
        }
    }
    __builtin_memcpy(residues, r, sizeof(r));
}

// `Columns` columns at a time, as many as the register file holds beside the values.
template <class T, std::size_t Columns>
inline void accumulate_columns(const T* values, const T* columns, std::size_t count, double* sums) {
    using V = typename VectorOf<T>::type;
    constexpr std::size_t width = BARREN_VECTOR_BYTES / sizeof(T);
    constexpr std::size_t vectors = lanes / width;
    V partial[Columns][vectors] = {};
    for (std::size_t i = 0; i < count; ++i) {
        V value[vectors];
        for (std::size_t v = 0; v < vectors; ++v) value[v] = load<V>(values + i * lanes + v * width);
        for (std::size_t c = 0; c < Columns; ++c) {
            const T column = columns[i * tile + c];
            for (std::size_t v = 0; v < vectors; ++v) partial[c][v] += value[v] * column;
        }
    }
    for (std::size_t c = 0; c < Columns; ++c) {
        alignas(64) T stored[lanes];
        __builtin_memcpy(stored, partial[c], sizeof(stored));
        for (std::size_t l = 0; l < lanes; ++l) sums[c * lanes + l] += static_cast<double>(stored[l]);
    }
}

template <class T>
void accumulate(const T* values, const T* columns, std::size_t count, double* sums) {
    constexpr std::size_t registers = BARREN_VECTOR_BYTES == 64 ? 32 : 16;
    constexpr std::size_t vectors = lanes * sizeof(T) / BARREN_VECTOR_BYTES;
    constexpr std::size_t fitting = registers / 2 / vectors;
    constexpr std::size_t together = fitting > tile ? tile : fitting;
    for (std::size_t c = 0; c < tile; c += together)
        accumulate_columns<T, together>(values, columns + c, count, sums + c * lanes);
}

}  // namespace

const Kernels& set() {
    static constexpr Kernels kernels{BARREN_KERNEL_NAME,
                                     {look_up_consecutive<float>, accumulate<float>},
                                     {look_up_consecutive<double>, accumulate<double>}};
    return kernels;
}

}  // namespace BARREN_KERNEL_NAMESPACE
}  // namespace barren
