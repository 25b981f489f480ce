// Generalised Dedekind sums σ(h,k,c) = 12·Σ_j ((j/k))(((hj+c)/k)) by Euclid's algorithm (docs/theory, section 2).
#pragma once

#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// out[i] = σ(h[i], k, c[i]), the rational number rounded once. k < 2^63; h and c lie in 0..k-1; an empty c stands for
// zeros. h and k may have a common divisor.
void dedekind_sums(Vector<const std::int64_t> h, Vector<const std::int64_t> c, std::uint64_t k, Vector<double> out,
                   const Execution& execution);

// out[i, j] = σ(r, k, b − r·a) with r = inverses[i]·columns[j] mod k, which is
// 12·Σ_t ((( x·t + a)/k))(((y·t + b)/k)) over t in Z_k for y = columns[j] and the unit x whose inverse is inverses[i].
void dedekind_ratios(Vector<const std::int64_t> inverses, Vector<const std::int64_t> columns, std::uint64_t k,
                     std::uint64_t a, std::uint64_t b, Matrix<double> out, const Execution& execution);

// out[i, j] = ((r + shift)/k)) with the same r: what a point mass and a sawtooth make together.
void sawtooth_ratios(Vector<const std::int64_t> inverses, Vector<const std::int64_t> columns, std::uint64_t k,
                     std::uint64_t shift, Matrix<double> out, const Execution& execution);

}  // namespace barren
