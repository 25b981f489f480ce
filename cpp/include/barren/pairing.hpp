// The pairing of a class kernel with a tangent kernel (docs/theory, section 1, formula 1), in discrete-log order.
#pragma once

#include <cstdint>

#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// One side of a block of Θ: the discrete logarithm of each point (-1 for the point 0, whose kernel is 0) and its
// weight.
struct Side {
    Vector<const std::int64_t> logarithms;
    Vector<const double> weights;
};

// Σ_{i,j} u_i·v_j·κ[(log x_i − log y_j) mod n]·Θ[i, j], n = kernel.size, summed in float64 in an order that depends on
// the block alone. Without a pair of logarithms from 0 on it is 0, whatever the weights.
template <class T>
double pairing(Vector<const double> kernel, const Side& rows, const Side& columns, Matrix<const T> ntk,
               const Execution& execution);

}  // namespace barren
