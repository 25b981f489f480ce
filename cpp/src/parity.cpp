#include "barren/parity.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "barren/dispatch.hpp"
#include "barren/errors.hpp"
#include "blocks.hpp"

namespace barren {
namespace {

constexpr std::size_t cached = std::size_t{1} << 14;  // numbers that are transformed together: 128 KiB
constexpr std::size_t most_levels = 8;                // levels of a pass over rows that lie apart
constexpr std::size_t words_a_task = std::size_t{1} << 16;

template <class Join>
void pairs(Vector<const std::int64_t> x, Vector<const std::int64_t> y, Matrix<std::uint8_t> out,
           const Execution& execution, const Join& join) {
    require(out.rows == x.size && out.columns == y.size, "out must have a row an entry of x and a column one of y");
    const std::size_t rows = std::max<std::size_t>(1, words_a_task / std::max<std::size_t>(1, y.size));
    parallel_for(divide_up(x.size, rows), execution, [&](std::size_t task, int, Progress&) {
        for (std::size_t i = task * rows; i < std::min(x.size, (task + 1) * rows); ++i)
            for (std::size_t j = 0; j < y.size; ++j) {
                // Ones in pairs of bits, in nibbles, in bytes, and in all: vector instructions do it for many words.
                std::uint64_t word = join(static_cast<std::uint64_t>(x[i]), static_cast<std::uint64_t>(y[j]));
                word -= word >> 1 & 0x5555555555555555;
                word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
                word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
                word += word >> 8;
                word += word >> 16;
                word += word >> 32;
                out.row(i)[j] = static_cast<std::uint8_t>(word & 0x7f);
            }
    });
}

// The levels first..first + count − 1: rows 2^first apart are gathered, transformed together and put back. Powers of
// two are the distances at which a cache keeps the fewest lines, so they are not transformed where they lie.
void pass(Matrix<double> rows, std::size_t first, std::size_t count, const Execution& execution) {
    const Kernels& set = kernels();
    const std::size_t run = rows.columns << first, blocks = std::size_t{1} << count;
    const std::size_t width = std::min(run, cached >> count);
    const std::size_t along = divide_up(run, width), groups = rows.rows >> (first + count);
    std::vector<std::vector<double>> scratch(static_cast<std::size_t>(workers_for(groups * along, execution)));
    parallel_for(groups * along, execution, [&](std::size_t task, int worker, Progress&) {
        double* source = rows.data + (task / along) * (run << count) + task % along * width;
        const std::size_t here = std::min(width, run - task % along * width);
        std::vector<double>& held = scratch[static_cast<std::size_t>(worker)];
        held.resize(width << count);
        for (std::size_t k = 0; k < blocks; ++k)
            std::memcpy(held.data() + k * here, source + k * run, here * sizeof(double));
        set.walsh(held.data(), count, here);
        for (std::size_t k = 0; k < blocks; ++k)
            std::memcpy(source + k * run, held.data() + k * here, here * sizeof(double));
    });
}

}  // namespace

void walsh_hadamard(Matrix<double> rows, const Execution& execution) {
    require(rows.rows >= 1 && (rows.rows & (rows.rows - 1)) == 0, "the number of rows must be a power of two");
    if (rows.columns == 0) return;
    std::size_t levels = 0;
    while ((std::size_t{1} << levels) < rows.rows) ++levels;
    // Rows that follow one another are transformed in place, as many levels as fit in the cache.
    std::size_t done = 0;
    while (done < levels && rows.columns << (done + 1) <= cached) ++done;
    if (done > 0) {
        const Kernels& set = kernels();
        const std::size_t together = rows.columns << done;
        parallel_for(rows.rows >> done, execution, [&](std::size_t task, int, Progress&) {
            set.walsh(rows.data + task * together, done, rows.columns);
        });
    }
    while (done < levels) {
        const std::size_t count = std::min(most_levels, levels - done);
        pass(rows, done, count, execution);
        done += count;
    }
}

void common_ones(Vector<const std::int64_t> x, Vector<const std::int64_t> y, Matrix<std::uint8_t> out,
                 const Execution& execution) {
    pairs(x, y, out, execution, [](std::uint64_t left, std::uint64_t right) { return left & right; });
}

void distances(Vector<const std::int64_t> x, Vector<const std::int64_t> y, Matrix<std::uint8_t> out,
               const Execution& execution) {
    pairs(x, y, out, execution, [](std::uint64_t left, std::uint64_t right) { return left ^ right; });
}

}  // namespace barren
