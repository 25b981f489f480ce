// Parities ⟨v,x⟩ mod 2 on {0,1}^n, n at most 63: words of bits, and the fast Walsh–Hadamard transform (docs/theory,
// section 6). ⟨v,x⟩ is the number of ones that v and x have in common.
#pragma once

#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// rows[v] <- Σ_x (−1)^⟨v,x⟩·rows[x] in place; the number of rows is a power of two. O(columns·rows·log rows), the same
// bits for any number of threads.
void walsh_hadamard(Matrix<double> rows, const Execution& execution);

// out[i, j] = the number of ones that x[i] and y[j] have in common.
void common_ones(Vector<const std::int64_t> x, Vector<const std::int64_t> y, Matrix<std::uint8_t> out,
                 const Execution& execution);

// out[i, j] = the number of bits in which x[i] and y[j] differ.
void distances(Vector<const std::int64_t> x, Vector<const std::int64_t> y, Matrix<std::uint8_t> out,
               const Execution& execution);

}  // namespace barren
