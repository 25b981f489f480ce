#include "barren/gram.hpp"

#include <algorithm>
#include <vector>

#include "barren/errors.hpp"
#include "products.hpp"

namespace barren {
namespace {

// Rows of one task at least, and tasks at most: the partial sums take little beside the rows.
constexpr std::size_t least_rows = 256, most_tasks = 16;

// Tiles of columns in one task: its sums stay in the second cache.
constexpr std::size_t tiles_a_task = 24;

// Rows regrouped as the kernels read them: values[group][entry][lane]. Lanes beyond the last repeat the last row.
template <class T>
class PackedRows {
  public:
    PackedRows(Matrix<const T> rows, const Execution& execution)
        : width_(rows.columns), data_(divide_up(rows.rows, lanes) * lanes * rows.columns) {
        parallel_for(divide_up(rows.rows, lanes), execution, [&](std::size_t g, int, Progress&) {
            // Some entries of all lanes after the other: what is written stays in the nearest cache until it is whole.
            for (std::size_t first = 0; first < width_; first += entries_at_once) {
                const std::size_t end = std::min(width_, first + entries_at_once);
                T* out = data_.data() + g * lanes * width_;
                for (std::size_t l = 0; l < lanes; ++l) {
                    const T* source = rows.row(std::min(g * lanes + l, rows.rows - 1));
                    for (std::size_t k = first; k < end; ++k) out[k * lanes + l] = source[k];
                }
            }
        });
    }
    const T* group(std::size_t g, std::size_t entry) const { return data_.data() + (g * width_ + entry) * lanes; }

  private:
    static constexpr std::size_t entries_at_once = 16;
    std::size_t width_;
    Buffer<T> data_;
};

// Σ_k values[k]·weights[k] in eight sums, for they are independent of each other.
template <class T>
double dot(const T* values, const double* weights, std::size_t size) {
    double sums[8] = {};
    std::size_t k = 0;
    for (; k + 8 <= size; k += 8)
        for (std::size_t l = 0; l < 8; ++l) sums[l] += static_cast<double>(values[k + l]) * weights[k + l];
    for (; k < size; ++k) sums[0] += static_cast<double>(values[k]) * weights[k];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

template <class T>
void check(const GramFactor<T>& factor, Range rows, Range columns) {
    require(factor.left->width() == factor.right->width(), "both sides of a factor must have the same width");
    require(rows.begin <= rows.end && rows.end <= factor.left->rows(), "rows must lie in the rows of the left side");
    require(columns.begin <= columns.end && columns.end <= factor.right->rows(),
            "columns must lie in the rows of the right side");
    require(factor.left_terms.size == factor.left->rows() && factor.right_terms.size == factor.right->rows(),
            "terms must have one entry a row");
}

// Π_f (S_f + u_f[i] + v_f[j] + m_f), S_f the products of the centred rows: sum[f·stride].
template <class T>
double whole_entry(const GramFactor<T>* factors, std::size_t count, const double* sum, std::size_t stride,
                   std::size_t i, std::size_t j) {
    double product = 1.0;
    for (std::size_t f = 0; f < count; ++f)
        product *= sum[f * stride] + factors[f].left_terms[i] + factors[f].right_terms[j] + factors[f].constant;
    return product;
}

// The same less (m + u_i)(m' + u'_i) + (m + v_j)(m' + v'_j) − m·m': the constants multiply what varies, and not each
// other.
template <class T>
double reduced_entry(const GramFactor<T>* factors, std::size_t count, const double* sum, std::size_t stride,
                     std::size_t i, std::size_t j) {
    if (count == 1) return sum[0];
    const double left = factors[0].left_terms[i], right = factors[0].right_terms[j];
    const double second_left = factors[1].left_terms[i], second_right = factors[1].right_terms[j];
    const double second = sum[stride] + second_left + second_right + factors[1].constant;
    return sum[0] * second + sum[stride] * (left + right + factors[0].constant) + left * second_right +
           right * second_left;
}

}  // namespace

template <class T>
void column_means(Matrix<const T> rows, Vector<double> out, const Execution& execution) {
    const std::size_t n = rows.rows, columns = rows.columns;
    require(n > 0, "rows must have a row");
    require(out.size == columns, "out must have an entry a column of rows");
    if (columns == 0) return;  // of as many rows as one likes
    const std::size_t height = std::max(least_rows, divide_up(n, most_tasks)), tasks = divide_up(n, height);
    std::vector<double> partial(tasks * columns, 0.0);
    parallel_for(tasks, execution, [&](std::size_t task, int worker, Progress& progress) {
        double* sums = partial.data() + task * columns;
        for (std::size_t i = task * height; i < std::min(n, (task + 1) * height); ++i) {
            progress.checkpoint(worker);
            const T* row = rows.row(i);
            for (std::size_t k = 0; k < columns; ++k) sums[k] += static_cast<double>(row[k]);
        }
    });
    std::fill(out.data, out.data + columns, 0.0);
    for (std::size_t task = 0; task < tasks; ++task)
        for (std::size_t k = 0; k < columns; ++k) out[k] += partial[task * columns + k];
    for (std::size_t k = 0; k < columns; ++k) out[k] /= static_cast<double>(n);
}

template <class T>
void cross_products(Matrix<const T> rows, Matrix<const double> vectors, Matrix<double> out,
                    const Execution& execution) {
    const std::size_t n = rows.rows, positions = vectors.rows, width = vectors.columns;
    require(rows.columns == positions * width, "rows must have as many columns as vectors has entries");
    require(out.rows == positions * positions && out.columns == n,
            "out must have a row for each pair of rows of vectors, and a column for each row");
    if (positions == 0) return;
    parallel_for(divide_up(n, least_rows), execution, [&](std::size_t task, int worker, Progress& progress) {
        for (std::size_t i = task * least_rows; i < std::min(n, (task + 1) * least_rows); ++i) {
            progress.checkpoint(worker);
            for (std::size_t pair = 0; pair < positions * positions; ++pair)
                out.row(pair)[i] = dot(rows.row(i) + pair / positions * width, vectors.row(pair % positions), width);
        }
    });
}

template <class T>
struct PackedFactor<T>::Data {
    Data(Matrix<const T> matrix, const Execution& execution)
        : rows(matrix, execution), columns(PackedColumns<T>::transposed(matrix, execution)) {}

    PackedRows<T> rows;
    PackedColumns<T> columns;
};

template <class T>
PackedFactor<T>::PackedFactor(Matrix<const T> matrix, const Execution& execution)
    : rows_(matrix.rows), width_(matrix.columns) {
    require(rows_ > 0 && width_ > 0, "a factor must have a row and a column");
    data_ = std::make_unique<Data>(matrix, execution);
}

template <class T>
PackedFactor<T>::~PackedFactor() = default;
template <class T>
PackedFactor<T>::PackedFactor(PackedFactor&&) noexcept = default;

template <class T>
void gram_block(const GramFactor<T>* factors, std::size_t count, Range rows, Range columns, bool accumulate,
                bool reduced, Matrix<double> out, const Execution& execution) {
    require(count == 1 || count == 2, "there must be one factor or two");
    for (std::size_t f = 0; f < count; ++f) check(factors[f], rows, columns);
    require(out.rows == rows.size() && out.columns == columns.size(), "out must have the shape of the ranges");
    if (out.rows == 0 || out.columns == 0) return;
    const auto& kernel = kernels().of<T>();
    const std::size_t first_group = rows.begin / lanes, groups = divide_up(rows.end, lanes) - first_group;
    const std::size_t first_tile = columns.begin / tile, last_tile = divide_up(columns.end, tile);
    const std::size_t ranges = divide_up(last_tile - first_tile, tiles_a_task), sums_size = tiles_a_task * tile * lanes;
    std::vector<std::vector<double>> scratch(static_cast<std::size_t>(workers_for(groups * ranges, execution)));

    parallel_for(groups * ranges, execution, [&](std::size_t task, int worker, Progress& progress) {
        // Neighbouring tasks share a range of columns, which stays in the cache.
        const std::size_t g = first_group + task % groups, begin = first_tile + task / groups * tiles_a_task;
        const std::size_t end = std::min(last_tile, begin + tiles_a_task);
        auto& sums = scratch[static_cast<std::size_t>(worker)];
        sums.assign(count * sums_size, 0.0);
        for (std::size_t f = 0; f < count; ++f) {
            const auto& left = factors[f].left->data().rows;
            const auto& right = factors[f].right->data().columns;
            for (std::size_t k = 0; k < right.chunks(); ++k) {
                progress.checkpoint(worker);
                for (std::size_t t = begin; t < end; ++t)
                    kernel.multiply(left.group(g, k * chunk), lanes, lanes, right.block(k, t), right.width(t),
                                    right.count_in(k), sums.data() + f * sums_size + (t - begin) * tile * lanes);
            }
        }
        const std::size_t column = std::max(columns.begin, begin * tile), stop = std::min(columns.end, end * tile);
        const std::size_t first_row = std::max(rows.begin, g * lanes), end_row = std::min(rows.end, (g + 1) * lanes);
        // A tile of columns at a time, whose sums are in the nearest cache for all rows.
        for (std::size_t next = column; next < stop;) {
            const std::size_t first = next;
            next = std::min(stop, (first / tile + 1) * tile);
            for (std::size_t i = first_row; i < end_row; ++i) {
                double* row = out.row(i - rows.begin);
                for (std::size_t j = first; j < next; ++j) {
                    const double* sum = sums.data() + (j - begin * tile) * lanes + i - g * lanes;
                    const double found = reduced ? reduced_entry(factors, count, sum, sums_size, i, j)
                                                 : whole_entry(factors, count, sum, sums_size, i, j);
                    double& entry = row[j - columns.begin];
                    entry = accumulate ? entry + found : found;
                }
            }
        }
    });
}

template void column_means(Matrix<const float>, Vector<double>, const Execution&);
template void column_means(Matrix<const double>, Vector<double>, const Execution&);
template void cross_products(Matrix<const float>, Matrix<const double>, Matrix<double>, const Execution&);
template void cross_products(Matrix<const double>, Matrix<const double>, Matrix<double>, const Execution&);
template class PackedFactor<float>;
template class PackedFactor<double>;
template void gram_block(const GramFactor<float>*, std::size_t, Range, Range, bool, bool, Matrix<double>,
                         const Execution&);
template void gram_block(const GramFactor<double>*, std::size_t, Range, Range, bool, bool, Matrix<double>,
                         const Execution&);

}  // namespace barren
