// The kernels that are compiled once an instruction set, and the choice among them, made once at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace barren {

constexpr std::size_t lanes = 16;   // multipliers that are advanced together
constexpr std::size_t tile = 8;     // Jacobian columns that are advanced together
constexpr std::size_t chunk = 256;  // points whose sums are taken in the data's own precision, then added in float64

template <class T>
struct KernelSet {
    // values[i·lanes + l] = table[r_l + i·a_l mod m] for i < count; r is left at the residue after the last point. m <
    // 2^31.
    void (*look_up_consecutive)(const T* table, std::uint32_t modulus, const std::uint32_t* multipliers,
                                std::uint32_t* residues, std::size_t count, T* values);
    // sums[c·lanes + l] += Σ_i values[i·lanes + l]·columns[i·tile + c]
    void (*accumulate)(const T* values, const T* columns, std::size_t count, double* sums);
};

struct Kernels {
    const char* name;
    KernelSet<float> f32;
    KernelSet<double> f64;

    template <class T>
    const KernelSet<T>& of() const;
};

template <>
inline const KernelSet<float>& Kernels::of<float>() const {
    return f32;
}
template <>
inline const KernelSet<double>& Kernels::of<double>() const {
    return f64;
}

// The best set this machine runs, or the one that the environment variable BARREN_KERNEL names.
// Throws std::runtime_error if that one is unknown or the machine lacks it.
const Kernels& kernels();

// Every set in this build that this machine runs, best last.
std::vector<std::string> available_kernels();

}  // namespace barren
