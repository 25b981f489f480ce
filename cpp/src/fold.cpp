#include "barren/fold.hpp"

#include <algorithm>
#include <vector>

#include "barren/errors.hpp"
#include "blocks.hpp"

namespace barren {
namespace {

// Rows that one task folds: some hundred kilobytes, so that a stop is obeyed soon and threads share the work.
constexpr std::size_t rows_a_task = 1024;
// Rows come in no order that a processor could guess, so they are asked for some rows ahead.
constexpr std::size_t rows_ahead = 12;

template <class T>
void fetch(const T* row, std::size_t columns) {
    const char* bytes = reinterpret_cast<const char*>(row);
    for (std::size_t offset = 0; offset < std::min<std::size_t>(columns * sizeof(T), 512); offset += 64)
        __builtin_prefetch(bytes + offset);
}

}  // namespace

template <class T>
void fold(const StridedMatrix<T>& rows, Vector<const std::int64_t> order, Vector<const double> weights, double sign,
          Matrix<double> out, const Execution& execution) {
    const std::size_t m = out.rows, columns = out.columns;
    require(order.size == 2 * m, "order must have two entries a row of out");
    require(weights.size == rows.rows, "weights must have one entry a row");
    require(rows.columns == columns, "out must have a column for each column of rows");
    for (std::size_t i = 0; i < order.size; ++i)
        require(order[i] >= -1 && order[i] < static_cast<std::int64_t>(rows.rows), "order must lie in -1..n-1");
    parallel_for(divide_up(m, rows_a_task), execution, [&](std::size_t task, int, Progress&) {
        const std::size_t end = std::min(m, (task + 1) * rows_a_task);
        for (std::size_t i = task * rows_a_task; i < end; ++i) {
            double* target = out.row(i);
            if (i + rows_ahead < end)
                for (const std::int64_t x : {order[i + rows_ahead], order[i + m + rows_ahead]})
                    if (x >= 0) fetch(rows.row(static_cast<std::size_t>(x)), columns);
            if (const std::int64_t x = order[i]; x >= 0) {
                const T* source = rows.row(static_cast<std::size_t>(x));
                const double weight = weights[static_cast<std::size_t>(x)];
                for (std::size_t c = 0; c < columns; ++c) target[c] = weight * static_cast<double>(source[c]);
            } else {
                std::fill(target, target + columns, 0.0);
            }
            if (const std::int64_t x = order[i + m]; x >= 0) {
                const T* source = rows.row(static_cast<std::size_t>(x));
                const double weight = sign * weights[static_cast<std::size_t>(x)];
                for (std::size_t c = 0; c < columns; ++c) target[c] += weight * static_cast<double>(source[c]);
            }
        }
    });
}

void weighted_energy(Vector<const double> weights, Matrix<const double> transform, Vector<double> out,
                     const Execution& execution) {
    require(weights.size == transform.rows, "weights must have one entry a row of transform");
    require(transform.columns == 2 * out.size, "transform must have two columns an entry of out");
    const std::size_t tasks = divide_up(transform.rows, rows_a_task), columns = transform.columns;
    std::vector<double> partial(tasks * columns, 0.0);
    parallel_for(tasks, execution, [&](std::size_t task, int, Progress&) {
        double* sums = partial.data() + task * columns;
        const std::size_t end = std::min(transform.rows, (task + 1) * rows_a_task);
        for (std::size_t k = task * rows_a_task; k < end; ++k) {
            const double* row = transform.row(k);
            const double weight = weights[k];
            for (std::size_t c = 0; c < columns; ++c) sums[c] += weight * (row[c] * row[c]);
        }
    });
    std::fill(out.data, out.data + out.size, 0.0);
    for (std::size_t task = 0; task < tasks; ++task)
        for (std::size_t c = 0; c < out.size; ++c)
            out[c] += partial[task * columns + 2 * c] + partial[task * columns + 2 * c + 1];
}

template void fold(const StridedMatrix<float>&, Vector<const std::int64_t>, Vector<const double>, double,
                   Matrix<double>, const Execution&);
template void fold(const StridedMatrix<double>&, Vector<const std::int64_t>, Vector<const double>, double,
                   Matrix<double>, const Execution&);

}  // namespace barren
