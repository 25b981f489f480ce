// The kernels that are compiled once an instruction set, and the choice among them, made once at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace barren {

constexpr std::size_t lanes = 48;    // multipliers that are advanced together: a group
constexpr std::size_t euclids = 32;  // a multiple of the chains of Euclid's algorithm that are advanced together
constexpr std::size_t tile = 8;      // Jacobian columns that are advanced together
constexpr std::size_t chunk = 256;   // points whose sums are taken in the data's own precision, then added in float64

// ψ as the kernels compute it: a look-up, or a few instructions on s = 2t − m, which is exact in integers. Only the
// members that a form names below are used.
enum class Form { table, linear, folded, threshold, sign, bit };

template <class T>
struct Psi {
    Form form = Form::table;
    std::uint64_t modulus = 1;
    const T* table = nullptr;      // table: ψ(t) = table[t]
    double slope = 0.0;            // linear: s·slope + intercept, and the intercept alone at t = 0; folded: |s| for s;
    double intercept = 0.0;        //   bit: the j-th bit of t for s
    double low = 0.0, high = 0.0;  // threshold: below it, from it on; sign: for s > 0, for s < 0
    double middle = 0.0;           // sign: at t = 0 and at s = 0
    std::uint64_t parameter = 0;   // threshold: the first t that is not below it, at most m; bit: j
};

// ψ of period 1 on the real line as the kernels compute it, a function of t in [0, 1); `shift` is taken off it.
enum class Shape { sawtooth, cosine, threshold, square, triangle, steps };

struct Wave {
    Shape shape = Shape::sawtooth;
    double harmonic = 1.0;  // k: the shape at k·t; other than 1 for cosines, and a power of two for thresholds
    double shift = 0.0;
    // threshold: the first t with ψ = 1 is cut + cut_rest, in twice the digits of a double; one less is below + ...
    double cut = 0.5, cut_rest = 0.0, below = -0.5, below_rest = 0.0;
    const double* table = nullptr;  // steps: ψ(t) = table[⌊size·t⌋]
    std::size_t size = 0;
};

// Blocks of ψ are values[i·lanes + l] for the i-th point and the l-th multiplier of a group.
template <class T>
struct KernelSet {
    // values[i·lanes + l] = ψ(r_l + i·a_l mod m) for i < count; r is left at the residue after the last point. m <
    // 2^31.
    void (*step)(const Psi<T>& psi, const std::uint32_t* multipliers, std::uint32_t* residues, std::size_t count,
                 T* values);
    // values[i] = ψ(residues[i]) for i < size, a multiple of lanes. Narrow: m < 2^31.
    void (*evaluate_narrow)(const Psi<T>& psi, const std::uint32_t* residues, std::size_t size, T* values);
    void (*evaluate_wide)(const Psi<T>& psi, const std::uint64_t* residues, std::size_t size, T* values);
    // sums[c·lanes + l] += Σ_i values[i·stride + l]·columns[i·width + c] for l < active and c < width. `active` is in
    // 1..lanes, `width` 1, 2, 4 or 8; lanes up to the next multiple of 16 are read and added to as well.
    void (*multiply)(const T* values, std::size_t stride, std::size_t active, const T* columns, std::size_t width,
                     std::size_t count, double* sums);
    // step() and multiply() in one loop for a form other than `table` and a width of 1 or 2: values are not stored.
    void (*step_and_multiply)(const Psi<T>& psi, const std::uint32_t* multipliers, std::uint32_t* residues,
                              std::size_t active, const T* columns, std::size_t width, std::size_t count, double* sums);
    // values[i·lanes + l] = ψ(Σ_j frequencies[j·lanes + l]·points[i·dimension + j]/divisor) for i < count. Ordered:
    // there is one dimension, no divisor, and the frequencies are integers below 2^52 in arithmetic progression. A
    // divisor other than 1 is an integer below 2^51, for one dimension, and no entry is larger than it.
    void (*waves)(const Wave& wave, const double* frequencies, std::size_t dimension, bool ordered, double divisor,
                  const double* points, std::size_t count, T* values);
    // waves() of one dimension and multiply() in one loop for a width of 1 or 2: values are not stored, and sums are
    // taken in float64. Small: all |a·x| are below 2^51.
    void (*waves_and_multiply)(const Wave& wave, const double* frequencies, bool small, const double* points,
                               const T* columns, std::size_t width, std::size_t count, double* sums);
};

// k < 2^63, and 1/k as the sum of two doubles to 2^-100 of it.
struct DedekindModulus {
    std::uint64_t k;
    double inverse, inverse_rest;
};

struct Kernels {
    const char* name;
    KernelSet<float> f32;
    KernelSet<double> f64;
    // residues[i·lanes + l] = a_l·points[i] mod m for i < count. Narrow: m < 2^31 and quotients ⌊a·2^32/m⌋. Wide: m <
    // 2^63 and quotients ⌊a·2^64/m⌋.
    void (*multiply_narrow)(std::uint32_t modulus, const std::uint32_t* multipliers, const std::uint32_t* quotients,
                            const std::int64_t* points, std::size_t count, std::uint32_t* residues);
    void (*multiply_wide)(std::uint64_t modulus, const std::uint64_t* multipliers, const std::uint64_t* quotients,
                          const std::int64_t* points, std::size_t count, std::uint64_t* residues);
    // sums[i] = σ(h[i], k, 0) by Euclid's algorithm for i < count, a multiple of euclids: correctly rounded, or NaN
    // where that is not certain, where h[i] and k have a common divisor and where a quotient is huge. Narrow: k < 2^52.
    void (*dedekind_narrow)(const DedekindModulus& modulus, const std::uint64_t* h, std::size_t count, double* sums);
    void (*dedekind_wide)(const DedekindModulus& modulus, const std::uint64_t* h, std::size_t count, double* sums);
    // rows[v] <- Σ_x (−1)^⟨v,x⟩·rows[x] in place, for 2^levels rows of `width` numbers that follow one another; ⟨v,x⟩
    // is the number of ones that v and x have in common.
    void (*walsh)(double* rows, std::size_t levels, std::size_t width);

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

// The set in use: the best one this machine runs, or the one that the environment variable BARREN_KERNEL names.
// Throws std::runtime_error if that one is unknown or the machine lacks it.
const Kernels& kernels();

// Takes another set from the next call on; for tests that compare the sets in one process. Throws
// std::invalid_argument for one that is unknown or that the machine lacks.
void use_kernels(const std::string& name);

// Every set in this build that this machine runs, best last.
std::vector<std::string> available_kernels();

}  // namespace barren
