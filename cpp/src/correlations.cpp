#include <algorithm>
#include <string>
#include <vector>

#include "barren/errors.hpp"
#include "barren/group.hpp"
#include "barren/responses.hpp"
#include "family.hpp"
#include "products.hpp"

namespace barren {
namespace {

// ψ in logarithmic order, twice over and a group more, so that every window of `lanes` values lies in one piece.
template <class T>
class Windows {
  public:
    Windows(Vector<const T> table, Vector<const std::int64_t> powers, const Execution& execution)
        : order_(powers.size), psi_(2 * order_ + lanes) {
        serial_for(2 * order_ + lanes, execution,
                   [&](std::size_t i) { psi_.data()[i] = table[static_cast<std::size_t>(powers[i % order_])]; });
    }

    std::size_t count() const { return divide_up(order_, lanes); }
    std::size_t size(std::size_t group) const { return std::min(lanes, order_ - group * lanes); }
    static constexpr std::size_t stride = 1;
    bool fuses(std::size_t) const { return false; }

    class Cursor {
      public:
        Cursor(const Windows& windows, std::size_t group, std::size_t first)
            : next_(windows.psi_.data() + group * lanes + first) {}
        const T* next(std::size_t count, T*) {
            const T* window = next_;
            next_ += count;
            return window;
        }
        void multiply_next(const T*, std::size_t, std::size_t, double*) {}  // fuses() is false

      private:
        const T* next_;
    };

  private:
    std::size_t order_;
    Buffer<T> psi_;
};

// The points by the logarithm of x: order[starts[i]..starts[i+1]) are those with x = g^i; zeros are those with x = 0.
struct PointsByLogarithm {
    PointsByLogarithm(Vector<const std::int64_t> points, const std::vector<std::int64_t>& logarithms,
                      const Execution& execution)
        : starts(logarithms.size(), 0) {
        const auto logarithm = [&](std::size_t x) {
            return static_cast<std::size_t>(logarithms[static_cast<std::size_t>(points[x])]);
        };
        serial_for(points.size, execution, [&](std::size_t x) {
            if (points[x] == 0)
                zeros.push_back(x);
            else
                ++starts[logarithm(x) + 1];
        });
        for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
        order.resize(starts.back());
        auto next = starts;
        serial_for(points.size, execution, [&](std::size_t x) {
            if (points[x] != 0) order[next[logarithm(x)]++] = x;
        });
    }

    std::vector<std::size_t> starts, order, zeros;
};

// sums[c] = Σ over the points in `rows` of weight·jacobian.
template <class T>
std::vector<double> weighted_sums(const std::vector<std::size_t>& rows, Vector<const double> weights,
                                  Matrix<const T> jacobian, const Execution& execution) {
    std::vector<double> sums(jacobian.columns, 0.0);
    constexpr std::size_t columns_a_task = 64;
    parallel_for(
        divide_up(sums.size(), columns_a_task), execution, [&](std::size_t task, int worker, Progress& progress) {
            const std::size_t first = task * columns_a_task, end = std::min(sums.size(), first + columns_a_task);
            for (std::size_t i = 0; i < rows.size(); ++i) {
                if (i % chunk == 0) progress.checkpoint(worker);
                const T* row = jacobian.row(rows[i]);
                for (std::size_t c = first; c < end; ++c) sums[c] += weights[rows[i]] * static_cast<double>(row[c]);
            }
        });
    return sums;
}

// What becomes of the responses: the row of out for the multiplier g^j, or none; and the rows of the multiplier 0.
struct Rows {
    static constexpr std::size_t none = ~std::size_t{0};
    Rows(Vector<const std::int64_t> multipliers, const std::vector<std::int64_t>& logarithms,
         const Execution& execution)
        : by_logarithm(logarithms.size() - 1, none) {
        serial_for(multipliers.size, execution, [&](std::size_t row) {
            const auto a = static_cast<std::size_t>(multipliers[row]);
            std::size_t& place = a == 0 ? of_zero : by_logarithm[static_cast<std::size_t>(logarithms[a])];
            require(place == none, "multipliers must be distinct");
            place = row;
        });
    }
    std::vector<std::size_t> by_logarithm;
    std::size_t of_zero = none;
};

}  // namespace

template <class T>
void correlations(const Family<T>& family, Vector<const std::int64_t> powers, Vector<const double> weights,
                  Matrix<const T> jacobian, Matrix<double> out, const Execution& execution) {
    check(family, execution);
    const Vector<const T> table = family.target.table;
    const std::size_t points = family.points.size, order = powers.size;
    require(table.size != 0, "correlations need a table, whatever the formula");
    require(order >= 1 && order == family.modulus - 1, "powers must have one entry a unit");
    require(jacobian.rows == points, "jacobian must have a row a point");
    require(weights.size == points, "weights must have one entry a point");
    require(out.rows == family.multipliers.size && out.columns == jacobian.columns,
            "out must have a row a multiplier and a column a Jacobian column");
    std::vector<std::int64_t> logarithms(order + 1);
    logarithm_table(powers, family.modulus, {logarithms.data(), logarithms.size()}, execution);
    const Rows rows(family.multipliers, logarithms, execution);
    if (out.rows == 0 || out.columns == 0) return;

    const PointsByLogarithm grouped(family.points, logarithms, execution);
    const Windows<T> windows(table, powers, execution);
    // Points that repeat are added in float64 and rounded once.
    const PackedColumns<T> columns(order, out.columns, execution,
                                   [&](std::size_t i, std::size_t first, std::size_t count, T* packed) {
                                       for (std::size_t c = 0; c < count; ++c) {
                                           double sum = 0.0;
                                           for (std::size_t at = grouped.starts[i]; at < grouped.starts[i + 1]; ++at) {
                                               const std::size_t x = grouped.order[at];
                                               sum += weights[x] * static_cast<double>(jacobian.row(x)[first + c]);
                                           }
                                           packed[c] = static_cast<T>(sum);
                                       }
                                   });
    // ψ(a·0) = ψ(0) for every a, and ψ(0·x) = ψ(0) for every x.
    const auto at_zero = static_cast<double>(table[0]);
    const std::vector<double> constant = weighted_sums(grouped.zeros, weights, jacobian, execution);
    sum_products(windows, columns, execution, [&](std::size_t group, const double* sums) {
        for (std::size_t l = 0; l < windows.size(group); ++l) {
            const std::size_t row = rows.by_logarithm[group * lanes + l];
            if (row == Rows::none) continue;
            for (std::size_t c = 0; c < out.columns; ++c) out.row(row)[c] = sums[c * lanes + l] + at_zero * constant[c];
        }
    });
    if (rows.of_zero == Rows::none) return;
    const std::vector<double> total = weighted_sums(grouped.order, weights, jacobian, execution);
    for (std::size_t c = 0; c < out.columns; ++c) out.row(rows.of_zero)[c] = at_zero * (total[c] + constant[c]);
}

template void correlations(const Family<float>&, Vector<const std::int64_t>, Vector<const double>, Matrix<const float>,
                           Matrix<double>, const Execution&);
template void correlations(const Family<double>&, Vector<const std::int64_t>, Vector<const double>,
                           Matrix<const double>, Matrix<double>, const Execution&);

}  // namespace barren
