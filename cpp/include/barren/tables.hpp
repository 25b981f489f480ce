// Sums and look-ups in a table over (point, level of the residue a·x mod m): losses that are not affine in the label
// (docs/theory, section 3.4). Residues are generated as they are needed; nothing of size multipliers × points is kept,
// except by gather(), whose result that is. Same bits for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// The map (a, x) -> levels[a·x mod m] at given multipliers and points, all in 0..m-1. ψ takes its distinct values at
// the levels; without `levels` the level is the residue itself.
struct Lookup {
    Vector<const std::int64_t> multipliers;
    Vector<const std::int64_t> points;
    std::uint64_t modulus = 1;
    Vector<const std::int32_t> levels;  // one entry a residue, or empty
};

// Row-major memory of shape (points, levels, columns).
template <class T>
struct Cube {
    T* data = nullptr;
    std::size_t points = 0;
    std::size_t levels = 0;
    std::size_t columns = 0;

    T* at(std::size_t point, std::size_t level) const { return data + (point * levels + level) * columns; }
};

// out[x, k] = the number of multipliers with level k at x; `out` has as many columns as there are levels.
void level_counts(const Lookup& lookup, Matrix<std::int64_t> out, const Execution& execution);

// out[a, x, c] = table[x, level(a, x), c]; `out` has the multipliers as its points and the points as its levels.
template <class T>
void gather(const Lookup& lookup, Cube<const T> table, Cube<T> out, const Execution& execution);

// out[a, c] = Σ_x weights[x]·table[x, level(a, x), c], summed in float64 in the order of x.
template <class T>
void gather_sums(const Lookup& lookup, Vector<const double> weights, Cube<const T> table, Matrix<double> out,
                 const Execution& execution);

// out[a, k, c] = Σ_{x : level(a, x) = k} rows[x, c], summed in float64 in the order of x; `out` has the multipliers as
// its points.
template <class T>
void scatter_sums(const Lookup& lookup, Matrix<const T> rows, Cube<double> out, const Execution& execution);

}  // namespace barren
