#include "barren/responses.hpp"

#include <algorithm>
#include <vector>

#include "barren/dispatch.hpp"
#include "barren/errors.hpp"
#include "barren/modular.hpp"

namespace barren {
namespace {

std::size_t divide_up(std::size_t x, std::size_t y) { return (x + y - 1) / y; }

template <class T>
void check(const Family<T>& family) {
    barren::check(family.target, family.modulus);
    for (const auto& [entries, name] : {std::pair{family.multipliers, "multipliers"}, {family.points, "points"}})
        for (std::size_t i = 0; i < entries.size; ++i)
            require(entries[i] >= 0 && static_cast<std::uint64_t>(entries[i]) < family.modulus,
                    std::string(name) + " must lie in 0..modulus-1");
}

bool consecutive(Vector<const std::int64_t> points) {
    for (std::size_t i = 1; i < points.size; ++i)
        if (points[i] != points[i - 1] + 1) return false;
    return true;
}

// Writes blocks of ψ(a·x): values[i·lanes + l] for `count` points from `first` on and the l-th multiplier of a group.
// A last group that is not full repeats its first multiplier; the caller drops those lanes.
template <class T>
class ValueBlocks {
  public:
    explicit ValueBlocks(const Family<T>& family)
        : family_(family),
          stepping_(family.target.table.size != 0 && family.modulus < (std::uint64_t{1} << 31) &&
                    consecutive(family.points)) {}

    std::size_t groups() const { return divide_up(family_.multipliers.size, lanes); }
    std::size_t group_size(std::size_t group) const {
        return std::min(lanes, family_.multipliers.size - group * lanes);
    }

    void fill(std::size_t group, std::size_t first, std::size_t count, T* values) const {
        std::uint64_t a[lanes];
        for (std::size_t l = 0; l < lanes; ++l)
            a[l] = static_cast<std::uint64_t>(family_.multipliers[group * lanes + (l < group_size(group) ? l : 0)]);
        if (stepping_)
            step(a, first, count, values);
        else
            multiply(a, first, count, values);
    }

  private:
    // Consecutive points: each residue is the last one plus a, less m where that is needed.
    void step(const std::uint64_t* a, std::size_t first, std::size_t count, T* values) const {
        std::uint32_t steps[lanes], residues[lanes];
        for (std::size_t l = 0; l < lanes; ++l) {
            const auto x = static_cast<std::uint64_t>(family_.points[first]);
            steps[l] = static_cast<std::uint32_t>(a[l]);
            residues[l] = static_cast<std::uint32_t>(multiply_mod(a[l], x, family_.modulus));
        }
        kernels().of<T>().look_up_consecutive(family_.target.table.data, static_cast<std::uint32_t>(family_.modulus),
                                              steps, residues, count, values);
    }

    void multiply(const std::uint64_t* a, std::size_t first, std::size_t count, T* values) const {
        visit(family_.target, family_.modulus, [&](auto psi) {
            for (std::size_t l = 0; l < lanes; ++l) {
                const FixedMultiplier times_a(a[l], family_.modulus);
                for (std::size_t i = 0; i < count; ++i)
                    values[i * lanes + l] =
                        static_cast<T>(psi(times_a(static_cast<std::uint64_t>(family_.points[first + i]))));
            }
        });
    }

    const Family<T>& family_;
    bool stepping_;
};

// Columns regrouped into tiles, points into chunks: packed[chunk][tile][point in chunk][column in tile], so that the
// innermost kernel reads forward. Columns beyond the last are zero.
template <class T>
class PackedColumns {
  public:
    PackedColumns(Matrix<const T> columns, const double* weights, const Execution& execution)
        : points_(columns.rows), tiles_(divide_up(columns.columns, tile)), data_(points_ * tiles_ * tile) {
        parallel_for(divide_up(points_, chunk), execution, [&](std::size_t task, int, Progress&) {
            const std::size_t count = count_in(task);
            for (std::size_t i = 0; i < count; ++i) {
                const std::size_t x = task * chunk + i;
                const T weight = weights == nullptr ? T(1) : static_cast<T>(weights[x]);
                for (std::size_t c = 0; c < columns.columns; ++c)
                    block(task, c / tile)[i * tile + c % tile] = weight * columns.row(x)[c];
            }
        });
    }

    std::size_t tiles() const { return tiles_; }
    std::size_t count_in(std::size_t chunk_index) const { return std::min(chunk, points_ - chunk_index * chunk); }
    const T* block(std::size_t chunk_index, std::size_t t) const {
        return data_.data() + (chunk_index * chunk * tiles_ + t * count_in(chunk_index)) * tile;
    }

  private:
    T* block(std::size_t chunk_index, std::size_t t) {
        return const_cast<T*>(static_cast<const PackedColumns*>(this)->block(chunk_index, t));
    }

    std::size_t points_, tiles_;
    std::vector<T> data_;
};

}  // namespace

void values(const Family<double>& family, Matrix<double> out, const Execution& execution) {
    check(family);
    require(out.rows == family.multipliers.size && out.columns == family.points.size,
            "out must have a row a multiplier and a column a point");
    const ValueBlocks<double> blocks(family);
    const std::size_t chunks = divide_up(out.columns, chunk);
    parallel_for(blocks.groups() * chunks, execution, [&](std::size_t task, int, Progress&) {
        const std::size_t group = task / chunks, first = task % chunks * chunk;
        const std::size_t count = std::min(chunk, out.columns - first);
        double block[chunk * lanes];
        blocks.fill(group, first, count, block);
        for (std::size_t l = 0; l < blocks.group_size(group); ++l)
            for (std::size_t i = 0; i < count; ++i) out.row(group * lanes + l)[first + i] = block[i * lanes + l];
    });
}

template <class T>
void responses(const Family<T>& family, Vector<const double> weights, Matrix<const T> jacobian, Matrix<double> out,
               const Execution& execution) {
    check(family);
    const std::size_t points = family.points.size, members = family.multipliers.size;
    require(jacobian.rows == points, "jacobian must have a row a point");
    require(weights.size == points, "weights must have one entry a point");
    require(out.rows == members && out.columns == jacobian.columns,
            "out must have a row a multiplier and a column a Jacobian column");
    std::fill(out.data, out.data + out.rows * out.columns, 0.0);
    if (points == 0 || members == 0 || jacobian.columns == 0) return;

    const ValueBlocks<T> blocks(family);
    const PackedColumns<T> columns(jacobian, weights.data, execution);
    const auto& kernel = kernels().of<T>();

    // Few multipliers leave threads idle, so then the points are split too. The split depends on the problem alone and
    // its partial sums are joined in order: the same bits for any number of threads.
    constexpr std::size_t enough_tasks = 64;
    const std::size_t groups = blocks.groups(), chunks = divide_up(points, chunk);
    const std::size_t splits = std::min(chunks, divide_up(enough_tasks, groups));
    const std::size_t chunks_a_split = divide_up(chunks, splits);
    const std::size_t sums_size = columns.tiles() * tile * lanes;
    std::vector<double> partial(splits > 1 ? splits * groups * sums_size : 0);
    std::vector<std::vector<double>> scratch(splits > 1 ? 0 : workers_for(groups, execution));

    const auto write = [&](std::size_t group, const double* sums) {
        for (std::size_t l = 0; l < blocks.group_size(group); ++l)
            for (std::size_t c = 0; c < out.columns; ++c) out.row(group * lanes + l)[c] += sums[c * lanes + l];
    };
    parallel_for(groups * splits, execution, [&](std::size_t task, int worker, Progress& progress) {
        const std::size_t group = task / splits, split = task % splits;
        double* sums;
        if (splits > 1) {
            sums = partial.data() + task * sums_size;
        } else {
            scratch[worker].assign(sums_size, 0.0);
            sums = scratch[worker].data();
        }
        alignas(64) T block[chunk * lanes];
        const std::size_t end = std::min(chunks, (split + 1) * chunks_a_split);
        for (std::size_t k = split * chunks_a_split; k < end; ++k) {
            progress.checkpoint(worker);
            const std::size_t count = columns.count_in(k);
            blocks.fill(group, k * chunk, count, block);
            for (std::size_t t = 0; t < columns.tiles(); ++t)
                kernel.accumulate(block, columns.block(k, t), count, sums + t * tile * lanes);
        }
        if (splits == 1) write(group, sums);
    });
    if (splits > 1)
        for (std::size_t task = 0; task < groups * splits; ++task)
            write(task / splits, partial.data() + task * sums_size);
}

template <class T>
void quadratic_forms(const Family<T>& family, Vector<const double> offset, Matrix<const T> ntk, Vector<double> out,
                     const Execution& execution) {
    check(family);
    const std::size_t points = family.points.size;
    require(ntk.rows == points && ntk.columns == points, "ntk must have a row and a column a point");
    require(offset.size == points, "offset must have one entry a point");
    require(out.size == family.multipliers.size, "out must have one entry a multiplier");
    std::fill(out.data, out.data + out.size, 0.0);
    if (points == 0) return;

    const ValueBlocks<T> blocks(family);
    const PackedColumns<T> columns(ntk, nullptr, execution);
    const auto& kernel = kernels().of<T>();
    std::vector<std::vector<T>> scratch(workers_for(blocks.groups(), execution));
    parallel_for(blocks.groups(), execution, [&](std::size_t group, int worker, Progress& progress) {
        // Θ is symmetric: the response of column y is (Θψ)(y), and the form is its product with ψ(y), summed over y.
        auto& centred = scratch[worker];
        centred.resize(points * lanes);
        for (std::size_t first = 0; first < points; first += chunk)
            blocks.fill(group, first, std::min(chunk, points - first), centred.data() + first * lanes);
        for (std::size_t x = 0; x < points; ++x)
            for (std::size_t l = 0; l < lanes; ++l) centred[x * lanes + l] -= static_cast<T>(offset[x]);

        double form[lanes] = {};
        for (std::size_t t = 0; t < columns.tiles(); ++t) {
            progress.checkpoint(worker);
            double sums[tile * lanes] = {};
            for (std::size_t k = 0; k * chunk < points; ++k)
                kernel.accumulate(centred.data() + k * chunk * lanes, columns.block(k, t), columns.count_in(k), sums);
            for (std::size_t c = 0; c < std::min(tile, points - t * tile); ++c)
                for (std::size_t l = 0; l < lanes; ++l)
                    form[l] += sums[c * lanes + l] * static_cast<double>(centred[(t * tile + c) * lanes + l]);
        }
        std::copy(form, form + blocks.group_size(group), out.data + group * lanes);
    });
}

template void responses(const Family<float>&, Vector<const double>, Matrix<const float>, Matrix<double>,
                        const Execution&);
template void responses(const Family<double>&, Vector<const double>, Matrix<const double>, Matrix<double>,
                        const Execution&);
template void quadratic_forms(const Family<float>&, Vector<const double>, Matrix<const float>, Vector<double>,
                              const Execution&);
template void quadratic_forms(const Family<double>&, Vector<const double>, Matrix<const double>, Vector<double>,
                              const Execution&);

}  // namespace barren
