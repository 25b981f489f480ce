// Jacobian rows folded under x -> −x in discrete-log order (docs/theory, section 2), and the energy of transforms.
#pragma once

#include <cstddef>
#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// out[i] = f(i) + sign·f(i + m) for i < m = out.rows, with f(i) = weights[order[i]]·rows[order[i]], or 0 where order[i]
// is −1; order.size must be 2m.
template <class T>
void fold(const StridedMatrix<T>& rows, Vector<const std::int64_t> order, Vector<const double> weights, double sign,
          Matrix<double> out, const Execution& execution);

// out[c] = Σ_k weights[k]·(re² + im²) of column c of complex rows, given as pairs: transform has 2·out.size columns.
// Summed in float64 over blocks of rows that depend on the shape alone, the blocks in order.
void weighted_energy(Vector<const double> weights, Matrix<const double> transform, Vector<double> out,
                     const Execution& execution);

}  // namespace barren
