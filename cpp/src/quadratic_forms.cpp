#include <algorithm>

#include "barren/errors.hpp"
#include "barren/responses.hpp"
#include "family.hpp"
#include "products.hpp"

namespace barren {

template <class T>
void quadratic_forms(const Family<T>& family, Vector<const double> offset, Matrix<const T> ntk, Vector<double> out,
                     const Execution& execution) {
    check(family, execution);
    const std::size_t points = family.points.size;
    require(ntk.rows == points && ntk.columns == points, "ntk must have a row and a column a point");
    require(offset.size == points, "offset must have one entry a point");
    require(out.size == family.multipliers.size, "out must have one entry a multiplier");
    std::fill(out.data, out.data + out.size, 0.0);
    if (points == 0 || out.size == 0) return;

    const Groups<T> groups(family);
    const PackedColumns<T> columns(points, points, execution,
                                   [&](std::size_t x, std::size_t first, std::size_t count, T* packed) {
                                       std::copy(ntk.row(x) + first, ntk.row(x) + first + count, packed);
                                   });
    const auto& kernel = kernels().of<T>();
    std::vector<Buffer<T>> scratch(static_cast<std::size_t>(workers_for(groups.count(), execution)));
    parallel_for(groups.count(), execution, [&](std::size_t group, int worker, Progress& progress) {
        // Θ is symmetric: the response of column y is (Θψ)(y), and the form is its product with ψ(y), summed over y.
        auto& buffer = scratch[static_cast<std::size_t>(worker)];
        if (buffer.data() == nullptr) buffer = Buffer<T>(points * lanes);
        T* centred = buffer.data();
        typename Groups<T>::Cursor cursor(groups, group, 0);
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
                kernel.multiply(centred + k * chunk * lanes, lanes, groups.size(group), columns.block(k, t),
                                columns.width(t), columns.count_in(k), sums);
            }
            for (std::size_t c = 0; c < std::min(tile, points - t * tile); ++c)
                for (std::size_t l = 0; l < lanes; ++l)
                    form[l] += sums[c * lanes + l] * static_cast<double>(centred[(t * tile + c) * lanes + l]);
        }
        std::copy(form, form + groups.size(group), out.data + group * lanes);
    });
}

template void quadratic_forms(const Family<float>&, Vector<const double>, Matrix<const float>, Vector<double>,
                              const Execution&);
template void quadratic_forms(const Family<double>&, Vector<const double>, Matrix<const double>, Vector<double>,
                              const Execution&);

}  // namespace barren
