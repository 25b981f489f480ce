// What is summed over a family of functions, whatever makes its blocks of ψ: values, responses and quadratic forms. A
// source is a class such as Groups (family.hpp). No part of the core's surface.
#pragma once

#include <algorithm>
#include <vector>

#include "barren/dispatch.hpp"
#include "barren/errors.hpp"
#include "barren/threads.hpp"
#include "barren/view.hpp"
#include "products.hpp"

namespace barren {

// out[a, x] = ψ_a(x).
template <class Source>
void values_of(const Source& source, Matrix<double> out, const Execution& execution) {
    const std::size_t chunks = divide_up(out.columns, chunk);
    parallel_for(source.count() * chunks, execution, [&](std::size_t task, int, Progress&) {
        const std::size_t group = task / chunks, first = task % chunks * chunk;
        const std::size_t count = std::min(chunk, out.columns - first);
        alignas(64) double scratch[chunk * lanes];
        const double* block = typename Source::Cursor(source, group, first).next(count, scratch);
        for (std::size_t l = 0; l < source.size(group); ++l)
            for (std::size_t i = 0; i < count; ++i) out.row(group * lanes + l)[first + i] = block[i * lanes + l];
    });
}

// out[a, c] = Σ_x weights[x]·ψ_a(x)·jacobian[x, c].
template <class T, class Source>
void responses_of(const Source& source, std::size_t members, std::size_t points, Vector<const double> weights,
                  Matrix<const T> jacobian, Matrix<double> out, const Execution& execution) {
    require(jacobian.rows == points, "jacobian must have a row a point");
    require(weights.size == points, "weights must have one entry a point");
    require(out.rows == members && out.columns == jacobian.columns,
            "out must have a row a member and a column a Jacobian column");
    if (members == 0 || jacobian.columns == 0) return;
    if (points == 0) return std::fill(out.data, out.data + out.rows * out.columns, 0.0);

    const PackedColumns<T> columns(points, jacobian.columns, execution,
                                   [&](std::size_t x, std::size_t first, std::size_t count, T* packed) {
                                       const T weight = static_cast<T>(weights[x]);
                                       const T* row = jacobian.row(x) + first;
                                       for (std::size_t c = 0; c < count; ++c) packed[c] = weight * row[c];
                                   });
    sum_products(source, columns, execution, [&](std::size_t group, const double* sums) {
        for (std::size_t l = 0; l < source.size(group); ++l)
            for (std::size_t c = 0; c < out.columns; ++c) out.row(group * lanes + l)[c] = sums[c * lanes + l];
    });
}

// out[a] = Σ_{x,y} (ψ_a(x) − offset[x])·Θ[x, y]·(ψ_a(y) − offset[y]) for a symmetric Θ.
template <class T, class Source>
void quadratic_forms_of(const Source& source, std::size_t members, std::size_t points, Vector<const double> offset,
                        Matrix<const T> ntk, Vector<double> out, const Execution& execution) {
    require(ntk.rows == points && ntk.columns == points, "ntk must have a row and a column a point");
    require(offset.size == points, "offset must have one entry a point");
    require(out.size == members, "out must have one entry a member");
    std::fill(out.data, out.data + out.size, 0.0);
    if (points == 0 || out.size == 0) return;

    const PackedColumns<T> columns(points, points, execution,
                                   [&](std::size_t x, std::size_t first, std::size_t count, T* packed) {
                                       std::copy(ntk.row(x) + first, ntk.row(x) + first + count, packed);
                                   });
    const auto& kernel = kernels().of<T>();
    std::vector<Buffer<T>> scratch(static_cast<std::size_t>(workers_for(source.count(), execution)));
    parallel_for(source.count(), execution, [&](std::size_t group, int worker, Progress& progress) {
        // Θ is symmetric: the response of column y is (Θψ)(y), and the form is its product with ψ(y), summed over y.
        auto& buffer = scratch[static_cast<std::size_t>(worker)];
        if (buffer.data() == nullptr) buffer = Buffer<T>(points * lanes);
        T* centred = buffer.data();
        typename Source::Cursor cursor(source, group, 0);
        for (std::size_t first = 0; first < points; first += chunk) {
            progress.checkpoint(worker);
            const std::size_t count = std::min(chunk, points - first);
            cursor.next(count, centred + first * lanes);
            for (std::size_t x = first; x < first + count; ++x)
                for (std::size_t l = 0; l < lanes; ++l) centred[x * lanes + l] -= static_cast<T>(offset[x]);
        }
        double form[lanes] = {};
        for (std::size_t t = 0; t < columns.tiles(); ++t) {
            double sums[tile * lanes] = {};
            for (std::size_t k = 0; k < columns.chunks(); ++k) {
                if (k % 64 == 0) progress.checkpoint(worker);
                kernel.multiply(centred + k * chunk * lanes, lanes, source.size(group), columns.block(k, t),
                                columns.width(t), columns.count_in(k), sums);
            }
            for (std::size_t c = 0; c < std::min(tile, points - t * tile); ++c)
                for (std::size_t l = 0; l < lanes; ++l)
                    form[l] += sums[c * lanes + l] * static_cast<double>(centred[(t * tile + c) * lanes + l]);
        }
        std::copy(form, form + source.size(group), out.data + group * lanes);
    });
}

}  // namespace barren
