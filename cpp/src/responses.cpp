#include "barren/responses.hpp"

#include "barren/errors.hpp"
#include "family.hpp"
#include "products.hpp"

namespace barren {

void values(const Family<double>& family, Matrix<double> out, const Execution& execution) {
    check(family, execution);
    require(out.rows == family.multipliers.size && out.columns == family.points.size,
            "out must have a row a multiplier and a column a point");
    const Groups<double> groups(family);
    const std::size_t chunks = divide_up(out.columns, chunk);
    parallel_for(groups.count() * chunks, execution, [&](std::size_t task, int, Progress&) {
        const std::size_t group = task / chunks, first = task % chunks * chunk;
        const std::size_t count = std::min(chunk, out.columns - first);
        alignas(64) double scratch[chunk * lanes];
        const double* block = Groups<double>::Cursor(groups, group, first).next(count, scratch);
        for (std::size_t l = 0; l < groups.size(group); ++l)
            for (std::size_t i = 0; i < count; ++i) out.row(group * lanes + l)[first + i] = block[i * lanes + l];
    });
}

template <class T>
void responses(const Family<T>& family, Vector<const double> weights, Matrix<const T> jacobian, Matrix<double> out,
               const Execution& execution) {
    check(family, execution);
    const std::size_t points = family.points.size, members = family.multipliers.size;
    require(jacobian.rows == points, "jacobian must have a row a point");
    require(weights.size == points, "weights must have one entry a point");
    require(out.rows == members && out.columns == jacobian.columns,
            "out must have a row a multiplier and a column a Jacobian column");
    if (members == 0 || jacobian.columns == 0) return;
    if (points == 0) return std::fill(out.data, out.data + out.rows * out.columns, 0.0);

    const Groups<T> groups(family);
    const PackedColumns<T> columns(points, jacobian.columns, execution,
                                   [&](std::size_t x, std::size_t first, std::size_t count, T* packed) {
                                       const T weight = static_cast<T>(weights[x]);
                                       const T* row = jacobian.row(x) + first;
                                       for (std::size_t c = 0; c < count; ++c) packed[c] = weight * row[c];
                                   });
    sum_products(groups, columns, execution, [&](std::size_t group, const double* sums) {
        for (std::size_t l = 0; l < groups.size(group); ++l)
            for (std::size_t c = 0; c < out.columns; ++c) out.row(group * lanes + l)[c] = sums[c * lanes + l];
    });
}

template void responses(const Family<float>&, Vector<const double>, Matrix<const float>, Matrix<double>,
                        const Execution&);
template void responses(const Family<double>&, Vector<const double>, Matrix<const double>, Matrix<double>,
                        const Execution&);

}  // namespace barren
