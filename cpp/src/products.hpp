// Sums of products of ψ with Jacobian columns, over all groups of multipliers and all points, in an order that depends
// on the problem alone. Shared by responses and correlations; no part of the core's surface.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "barren/dispatch.hpp"
#include "barren/threads.hpp"
#include "family.hpp"

namespace barren {

// Memory for blocks that kernels read forward: aligned to a cache line, and not written before it is used.
template <class T>
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::size_t size) : data_(static_cast<T*>(::operator new(bytes(size), alignment))) {}
    T* data() const { return data_.get(); }

  private:
    static constexpr std::align_val_t alignment{64};
    static std::size_t bytes(std::size_t size) {
        if (size > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
        return size * sizeof(T);
    }
    struct Free {
        void operator()(T* data) const { ::operator delete(data, alignment); }
    };
    std::unique_ptr<T[], Free> data_;
};

// Columns regrouped into tiles, points into chunks: packed[chunk][tile][point in chunk][column in tile], so that the
// innermost kernel reads forward. The last tile is 1, 2, 4 or 8 wide; columns beyond the last are zero.
template <class T>
class PackedColumns {
  public:
    // row(point, out) writes the columns of one point.
    template <class Row>
    PackedColumns(std::size_t points, std::size_t columns, const Execution& execution, const Row& row)
        : PackedColumns(points, columns) {
        // Rows are long for many columns, so the columns are split among tasks as well.
        constexpr std::size_t tiles_a_task = 256;
        const std::size_t parts = divide_up(tiles_, tiles_a_task);
        constexpr std::size_t little = std::size_t{1} << 16;  // entries packed sooner than a thread wakes up
        const Execution how{points * columns < little ? 1 : execution.threads, execution.poll};
        parallel_for(chunks() * parts, how, [&](std::size_t task, int worker, Progress& progress) {
            const std::size_t k = task / parts, first = task % parts * tiles_a_task;
            const std::size_t count = count_in(k), end = std::min(tiles_, first + tiles_a_task);
            for (std::size_t i = 0; i < count; ++i) {
                progress.checkpoint(worker);
                for (std::size_t t = first; t < end; ++t) {
                    T* out = data_.data() + offset(k, t) + i * this->width(t);
                    const std::size_t used = std::min(tile, columns - t * tile);
                    row(k * chunk + i, t * tile, used, out);
                    std::fill(out + used, out + this->width(t), T(0));
                }
            }
        });
    }

    // Columns that are the rows of a matrix, points its entries: read forward, a tile of them after the other.
    static PackedColumns transposed(Matrix<const T> matrix, const Execution& execution) {
        PackedColumns packed(matrix.columns, matrix.rows);
        parallel_for(packed.tiles_, execution, [&](std::size_t t, int worker, Progress& progress) {
            const std::size_t first = t * tile, used = std::min(tile, matrix.rows - first), width = packed.width(t);
            for (std::size_t k = 0; k < packed.chunks(); ++k) {
                progress.checkpoint(worker);
                T* out = packed.data_.data() + packed.offset(k, t);
                for (std::size_t i = 0; i < packed.count_in(k); ++i, out += width) {
                    for (std::size_t c = 0; c < used; ++c) out[c] = matrix.row(first + c)[k * chunk + i];
                    std::fill(out + used, out + width, T(0));
                }
            }
        });
        return packed;
    }

    std::size_t chunks() const { return divide_up(points_, chunk); }
    std::size_t tiles() const { return tiles_; }
    std::size_t width(std::size_t t) const { return t + 1 < tiles_ ? tile : last_; }
    std::size_t count_in(std::size_t k) const { return std::min(chunk, points_ - k * chunk); }
    const T* block(std::size_t k, std::size_t t) const { return data_.data() + offset(k, t); }

  private:
    PackedColumns(std::size_t points, std::size_t columns)
        : points_(points), columns_(columns), tiles_(divide_up(columns, tile)), last_(last_width(columns)) {
        data_ = Buffer<T>(points * ((tiles_ - 1) * tile + last_));
    }

    static std::size_t last_width(std::size_t columns) {
        const std::size_t used = columns - (divide_up(columns, tile) - 1) * tile;
        return used <= 2 ? used : used <= 4 ? 4 : tile;
    }
    std::size_t offset(std::size_t k, std::size_t t) const {
        return k * chunk * ((tiles_ - 1) * tile + last_) + t * count_in(k) * tile;
    }

    std::size_t points_, columns_, tiles_, last_;
    Buffer<T> data_;
};

// How tasks are cut: `panels` groups are advanced together, so that a tile of columns is used while it is in the
// nearest cache, and few groups leave threads idle, so then the points are split as well.
struct Cut {
    Cut(std::size_t groups, std::size_t chunks)
        : panels(groups >= 2 * enough_tasks ? 2 : 1),
          rows(divide_up(groups, panels)),
          splits(std::min(chunks, divide_up(enough_tasks, rows))),
          chunks_a_split(divide_up(chunks, splits)) {}

    static constexpr std::size_t enough_tasks = 64;
    std::size_t panels, rows, splits, chunks_a_split;
};

// write(group, sums) gets Σ_x ψ·column as sums[c·lanes + l] for every group, once each.
template <class T, class Source, class Write>
void sum_products(const Source& source, const PackedColumns<T>& columns, const Execution& execution,
                  const Write& write) {
    using Cursor = typename Source::Cursor;
    const auto& kernel = kernels().of<T>();
    const std::size_t groups = source.count(), chunks = columns.chunks(), tiles = columns.tiles();
    const Cut cut(groups, chunks);
    const std::size_t sums_size = tiles * tile * lanes, tasks = cut.rows * cut.splits;
    const bool fused = tiles == 1 && source.fuses(columns.width(0));
    const auto workers = static_cast<std::size_t>(workers_for(tasks, execution));
    std::vector<std::vector<double>> partial(cut.splits > 1 ? tasks : workers);
    std::vector<Buffer<T>> scratch(workers);

    parallel_for(tasks, execution, [&](std::size_t task, int worker, Progress& progress) {
        const std::size_t first = task / cut.splits * cut.panels, split = task % cut.splits;
        const std::size_t panels = std::min(cut.panels, groups - first);
        const std::size_t begin = split * cut.chunks_a_split, end = std::min(chunks, begin + cut.chunks_a_split);
        auto& sums = partial[cut.splits > 1 ? task : static_cast<std::size_t>(worker)];
        sums.assign(panels * sums_size, 0.0);
        auto& blocks = scratch[static_cast<std::size_t>(worker)];
        if (blocks.data() == nullptr) blocks = Buffer<T>(cut.panels * chunk * lanes);
        std::vector<Cursor> cursors;
        for (std::size_t p = 0; p < panels && begin < end; ++p) cursors.emplace_back(source, first + p, begin * chunk);

        for (std::size_t k = begin; k < end; ++k) {
            progress.checkpoint(worker);
            const std::size_t count = columns.count_in(k);
            const T* values[2] = {};
            for (std::size_t p = 0; p < panels; ++p) {
                if (fused)
                    cursors[p].multiply_next(columns.block(k, 0), columns.width(0), count, sums.data() + p * sums_size);
                else
                    values[p] = cursors[p].next(count, blocks.data() + p * chunk * lanes);
            }
            for (std::size_t t = 0; t < tiles && !fused; ++t) {
                if (t % tile == 0) progress.checkpoint(worker);
                for (std::size_t p = 0; p < panels; ++p)
                    kernel.multiply(values[p], Source::stride, source.size(first + p), columns.block(k, t),
                                    columns.width(t), count, sums.data() + p * sums_size + t * tile * lanes);
            }
        }
        if (cut.splits == 1)
            for (std::size_t p = 0; p < panels; ++p) write(first + p, sums.data() + p * sums_size);
    });
    if (cut.splits == 1) return;
    // Partial sums are joined in the order of the points: the same bits for any number of threads.
    parallel_for(cut.rows, execution, [&](std::size_t row, int, Progress&) {
        auto& sums = partial[row * cut.splits];
        for (std::size_t split = 1; split < cut.splits; ++split) {
            const auto& more = partial[row * cut.splits + split];
            for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += more[i];
        }
        for (std::size_t p = 0; p * sums_size < sums.size(); ++p)
            write(row * cut.panels + p, sums.data() + p * sums_size);
    });
}

}  // namespace barren
