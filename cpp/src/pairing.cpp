#include "barren/pairing.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "barren/errors.hpp"
#include "blocks.hpp"

namespace barren {
namespace {

void check(const Side& side, std::size_t length, std::size_t order, const std::string& name) {
    require(side.logarithms.size == length && side.weights.size == length,
            name + " logarithms and weights must have one entry for each of the " + name + " of ntk");
    for (std::size_t i = 0; i < length; ++i)
        require(side.logarithms[i] >= -1 && side.logarithms[i] < static_cast<std::int64_t>(order),
                name + " logarithms must lie in -1..n-1");
}

}  // namespace

template <class T>
double pairing(Vector<const double> kernel, const Side& rows, const Side& columns, Matrix<const T> ntk,
               const Execution& execution) {
    check(rows, ntk.rows, kernel.size, "rows");
    check(columns, ntk.columns, kernel.size, "columns");
    // Without columns the sums of the rows are 0, of which a weight that is not finite would make a NaN.
    if (std::all_of(columns.logarithms.data, columns.logarithms.data + columns.logarithms.size,
                    [](std::int64_t logarithm) { return logarithm < 0; }))
        return 0.0;
    const auto order = static_cast<std::int64_t>(kernel.size);
    std::vector<double> sums(ntk.rows, 0.0);
    constexpr std::size_t rows_a_task = 8;
    parallel_for(divide_up(ntk.rows, rows_a_task), execution, [&](std::size_t task, int, Progress&) {
        const std::size_t end = std::min(ntk.rows, (task + 1) * rows_a_task);
        for (std::size_t i = task * rows_a_task; i < end; ++i) {
            const std::int64_t row_logarithm = rows.logarithms[i];
            if (row_logarithm < 0) continue;
            double sum = 0.0;
            for (std::size_t j = 0; j < ntk.columns; ++j) {
                if (columns.logarithms[j] < 0) continue;
                const std::int64_t ratio = row_logarithm - columns.logarithms[j];
                sum += columns.weights[j] * kernel[static_cast<std::size_t>(ratio < 0 ? ratio + order : ratio)] *
                       static_cast<double>(ntk.row(i)[j]);
            }
            sums[i] = rows.weights[i] * sum;
        }
    });
    double total = 0.0;
    for (const double sum : sums) total += sum;
    return total;
}

template double pairing(Vector<const double>, const Side&, const Side&, Matrix<const float>, const Execution&);
template double pairing(Vector<const double>, const Side&, const Side&, Matrix<const double>, const Execution&);

}  // namespace barren
