// Sums over the inputs for many multipliers at once (docs/theory, sections 2 and 3.1). Residues are generated as they
// are needed: nothing of size multipliers × points is kept, except by values(), whose result that is.
#pragma once

#include <cstdint>

#include "barren/targets.hpp"
#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// The family x -> ψ(a·x mod m) at given multipliers and points, all in 0..m-1.
template <class T>
struct Family {
    Vector<const std::int64_t> multipliers;
    Vector<const std::int64_t> points;
    std::uint64_t modulus = 1;
    Target<T> target;
};

// out[a, x] = ψ(a·x mod m).
void values(const Family<double>& family, Matrix<double> out, const Execution& execution);

// out[a, c] = Σ_x weights[x]·ψ(a·x mod m)·jacobian[x, c]. ψ, weights and their products with the Jacobian are rounded
// to T, in which they are summed over short runs of points; runs are summed in float64.
template <class T>
void responses(const Family<T>& family, Vector<const double> weights, Matrix<const T> jacobian, Matrix<double> out,
               const Execution& execution);

// The same for a prime m = p whose units are powers[0..p-2] in the order of their discrete logarithms, and distinct
// multipliers. With x = g^i and a = g^j the values ψ(g^(i+j)) of consecutive multipliers lie side by side in a table of
// ψ in that order, so there is nothing to reduce and nothing to look up. The family needs a table of finite numbers:
// all of them are multiplied, by 0 where no point lies. Throws std::invalid_argument if `powers` is not a permutation
// of 1..p-1; that they are powers of one root is for the caller to know.
template <class T>
void correlations(const Family<T>& family, Vector<const std::int64_t> powers, Vector<const double> weights,
                  Matrix<const T> jacobian, Matrix<double> out, const Execution& execution);

// out[a] = Σ_{x,y} (ψ(ax) − offset[x])·Θ[x, y]·(ψ(ay) − offset[y]) for a symmetric Θ; ψ and offset are rounded to T
// before one is taken off the other.
template <class T>
void quadratic_forms(const Family<T>& family, Vector<const double> offset, Matrix<const T> ntk, Vector<double> out,
                     const Execution& execution);

}  // namespace barren
