// Periodic functions on the real line, x -> ψ(⟨a, x⟩) with ψ of period 1 (docs/theory, section 5). Values are generated
// as they are needed; nothing of size frequencies × points is kept, except by values(), whose result that is.
#pragma once

#include <string>
#include <vector>

#include "barren/dispatch.hpp"
#include "barren/threads.hpp"
#include "barren/view.hpp"

namespace barren {

// A part of ψ: coefficient·wave; the shift of its wave is not used.
struct WaveTerm {
    double coefficient;
    Wave wave;
};

// The family of the sum of its terms, less shift, at given frequencies and points, a row each, both finite. Where Σ_j
// |a_j|·|x_j| reaches 2^106 no digit of the fraction of ⟨a, x⟩ is left, which is refused. So is, where ψ jumps, a
// product that rounds to 0, and in more than one column one below 2^-968, whose rounding is no double. With a divisor
// M, an integer below 2^51, the terms are taken at a·x/M: no frequency and no point may then be larger than M, and of
// one of them all must be integers for jumps to be seen exactly where they are.
struct FrequencyFamily {
    Matrix<const double> frequencies;
    Matrix<const double> points;
    std::vector<WaveTerm> terms;
    double shift = 0.0;
    double divisor = 1.0;
};

// The shape of that name, and its parameters. Throws std::invalid_argument for another name.
Shape shape_of(const std::string& name);

// out[a, x] = ψ(⟨a, x⟩).
void values(const FrequencyFamily& family, Matrix<double> out, const Execution& execution);

// out[a, c] = Σ_x weights[x]·ψ(⟨a, x⟩)·jacobian[x, c]. ψ, weights and their products with the Jacobian are rounded to
// T, in which they are summed over short runs of points; runs are summed in float64.
template <class T>
void responses(const FrequencyFamily& family, Vector<const double> weights, Matrix<const T> jacobian,
               Matrix<double> out, const Execution& execution);

// out[a] = Σ_{x,y} (ψ(⟨a, x⟩) − offset[x])·Θ[x, y]·(ψ(⟨a, y⟩) − offset[y]) for a symmetric Θ; ψ and offset are
// rounded to T before one is taken off the other.
template <class T>
void quadratic_forms(const FrequencyFamily& family, Vector<const double> offset, Matrix<const T> ntk,
                     Vector<double> out, const Execution& execution);

// One line of a ψ that consists of lines: from `start` on, ψ(t) = value + slope·(t − start).
struct Piece {
    double start, value, slope;
};

// out[i, j] = ∫₀¹ ψ(u·x_i)·φ(u·y_j) du, ψ and φ of lines, summed exactly over the intervals on which both factors are
// lines. Pieces start at 0, in increasing order and below 1; x and y are finite and not 0. Takes about |x_i|·(pieces of
// ψ) + |y_j|·(pieces of φ) steps.
void interval_products(Vector<const double> x, Vector<const double> y, Vector<const Piece> of_x,
                       Vector<const Piece> of_y, Matrix<double> out, const Execution& execution);

// out[i, j] = ∫₀¹ cos(2πu·x_i)·φ(u·y_j) du, in closed form on every line of φ. Takes |y_j|·(pieces of φ) steps.
void interval_cosines(Vector<const double> x, Vector<const double> y, Vector<const Piece> of_y, Matrix<double> out,
                      const Execution& execution);

}  // namespace barren
