#include "barren/tables.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "barren/errors.hpp"
#include "barren/modular.hpp"
#include "blocks.hpp"

namespace barren {
namespace {

constexpr std::size_t group = 64;  // multipliers whose residues are advanced together
constexpr std::size_t strip = 8;   // points of a task that writes one entry a point: a cache line of float64
constexpr std::size_t split = 64;  // least number of points summed by one task

// Points between two checkpoints: few where a row of the table is long.
std::size_t run_of(std::size_t columns) {
    return std::max<std::size_t>(1, 8 * split / std::max<std::size_t>(1, columns));
}

void check(const Lookup& lookup, std::size_t levels) {
    require(lookup.modulus >= 1 && lookup.modulus < modulus_limit, "modulus must be in 1..2^63-1");
    for (const auto& [entries, name] : {std::pair{lookup.multipliers, "multipliers"}, {lookup.points, "points"}})
        for (std::size_t i = 0; i < entries.size; ++i)
            require(entries[i] >= 0 && static_cast<std::uint64_t>(entries[i]) < lookup.modulus,
                    std::string(name) + " must lie in 0..modulus-1");
    if (lookup.levels.size == 0) {
        require(levels == lookup.modulus, "without levels the table must have one entry a residue");
        return;
    }
    require(lookup.levels.size == lookup.modulus, "levels must have one entry a residue");
    for (std::size_t t = 0; t < lookup.levels.size; ++t)
        require(lookup.levels[t] >= 0 && static_cast<std::size_t>(lookup.levels[t]) < levels,
                "levels must lie in 0..(number of levels)-1");
}

// Walks over the points for one group of multipliers and hands out each point's levels.
class Walk {
  public:
    explicit Walk(const Lookup& lookup) : lookup_(lookup), stepping_(consecutive(lookup.points)) {}

    std::size_t groups() const { return divide_up(lookup_.multipliers.size, group); }
    std::size_t size(std::size_t g) const { return std::min(group, lookup_.multipliers.size - g * group); }

    // Calls visitor(x, levels) for x = first..last-1, levels[l] that of the l-th multiplier of the group.
    template <class Visitor>
    void operator()(std::size_t g, std::size_t first, std::size_t last, Visitor&& visitor) const {
        const std::int64_t* multipliers = lookup_.multipliers.data + g * group;
        const std::size_t count = size(g);
        const std::uint64_t modulus = lookup_.modulus;
        std::uint64_t residues[group];
        std::size_t levels[group];
        const auto multiply = [&](std::size_t x) {
            const FixedMultiplier times_x(static_cast<std::uint64_t>(lookup_.points[x]), modulus);
            for (std::size_t l = 0; l < count; ++l) residues[l] = times_x(static_cast<std::uint64_t>(multipliers[l]));
        };
        for (std::size_t x = first; x < last; ++x) {
            if (x == first || !stepping_) {
                multiply(x);
            } else {  // the next point: each residue is the last one plus a, less m where that is needed
                for (std::size_t l = 0; l < count; ++l) {
                    const std::uint64_t next = residues[l] + static_cast<std::uint64_t>(multipliers[l]);
                    residues[l] = next >= modulus ? next - modulus : next;
                }
            }
            if (lookup_.levels.size == 0)
                for (std::size_t l = 0; l < count; ++l) levels[l] = residues[l];
            else
                for (std::size_t l = 0; l < count; ++l)
                    levels[l] = static_cast<std::size_t>(lookup_.levels[residues[l]]);
            visitor(x, levels);
        }
    }

  private:
    const Lookup& lookup_;
    bool stepping_;
};

}  // namespace

void level_counts(const Lookup& lookup, Matrix<std::int64_t> out, const Execution& execution) {
    check(lookup, out.columns);
    require(out.rows == lookup.points.size, "out must have a row a point");
    std::fill(out.data, out.data + out.rows * out.columns, 0);
    const Walk walk(lookup);
    parallel_for(divide_up(out.rows, strip), execution, [&](std::size_t task, int worker, Progress& progress) {
        const std::size_t end = std::min(out.rows, (task + 1) * strip);
        for (std::size_t g = 0; g < walk.groups(); ++g) {
            if (g % 256 == 0) progress.checkpoint(worker);
            walk(g, task * strip, end, [&](std::size_t x, const std::size_t* levels) {
                for (std::size_t l = 0; l < walk.size(g); ++l) ++out.row(x)[levels[l]];
            });
        }
    });
}

template <class T>
void gather(const Lookup& lookup, Cube<const T> table, Cube<T> out, const Execution& execution) {
    check(lookup, table.levels);
    require(table.points == lookup.points.size, "table must have a row a point");
    require(out.points == lookup.multipliers.size && out.levels == table.points && out.columns == table.columns,
            "out must have shape (multipliers, points, columns)");
    const Walk walk(lookup);
    // A task keeps to a strip of points, so that their rows of the table stay in the cache for all multipliers.
    parallel_for(divide_up(table.points, strip), execution, [&](std::size_t task, int worker, Progress& progress) {
        const std::size_t first = task * strip, end = std::min(table.points, first + strip);
        T block[group * strip];
        for (std::size_t g = 0; g < walk.groups(); ++g) {
            progress.checkpoint(worker);
            if (table.columns != 1) {
                walk(g, first, end, [&](std::size_t x, const std::size_t* levels) {
                    for (std::size_t l = 0; l < walk.size(g); ++l)
                        std::copy_n(table.at(x, levels[l]), table.columns, out.at(g * group + l, x));
                });
                continue;
            }
            walk(g, first, end, [&](std::size_t x, const std::size_t* levels) {
                for (std::size_t l = 0; l < walk.size(g); ++l) block[l * strip + x - first] = *table.at(x, levels[l]);
            });
            for (std::size_t l = 0; l < walk.size(g); ++l)
                std::copy_n(block + l * strip, end - first, out.at(g * group + l, first));
        }
    });
}

template <class T>
void gather_sums(const Lookup& lookup, Vector<const double> weights, Cube<const T> table, Matrix<double> out,
                 const Execution& execution) {
    check(lookup, table.levels);
    const std::size_t points = table.points, columns = table.columns;
    require(points == lookup.points.size, "table must have a row a point");
    require(weights.size == points, "weights must have one entry a point");
    require(out.rows == lookup.multipliers.size && out.columns == columns,
            "out must have a row a multiplier and a column a column of the table");
    std::fill(out.data, out.data + out.rows * out.columns, 0.0);
    const Walk walk(lookup);
    const std::size_t groups = walk.groups();
    if (groups == 0 || points == 0 || columns == 0) return;
    // A row of the table should be read once for all multipliers, so the points are split among the tasks first, as far
    // as the partial sums stay small, and the multipliers only then. The split depends on the problem alone, and its
    // partial sums are joined in order: the same bits for any number of threads.
    constexpr std::size_t tasks = 32, largest_partial = std::size_t{1} << 23;
    const std::size_t affordable = std::max<std::size_t>(1, largest_partial / (lookup.multipliers.size * columns));
    const std::size_t splits = std::min({tasks, affordable, divide_up(points, split)});
    const std::size_t blocks = std::min(groups, divide_up(tasks, splits));
    const std::size_t points_a_split = divide_up(points, splits), groups_a_block = divide_up(groups, blocks);
    std::vector<double> partial(splits > 1 ? splits * out.rows * columns : 0);

    parallel_for(splits * blocks, execution, [&](std::size_t task, int worker, Progress& progress) {
        const std::size_t s = task / blocks, block = task % blocks;
        const std::size_t end = std::min(points, (s + 1) * points_a_split);
        const std::size_t last = std::min(groups, (block + 1) * groups_a_block);
        double* sums = splits > 1 ? partial.data() + s * out.rows * columns : out.data;
        for (std::size_t start = s * points_a_split; start < end; start += strip)
            for (std::size_t g = block * groups_a_block; g < last; ++g) {
                progress.checkpoint(worker);
                double* at = sums + g * group * columns;
                walk(g, start, std::min(end, start + strip), [&](std::size_t x, const std::size_t* levels) {
                    const double weight = weights[x];
                    const T* rows = table.at(x, 0);
                    if (columns == 1) {
                        for (std::size_t l = 0; l < walk.size(g); ++l)
                            at[l] += weight * static_cast<double>(rows[levels[l]]);
                        return;
                    }
                    for (std::size_t l = 0; l < walk.size(g); ++l)
                        for (std::size_t c = 0; c < columns; ++c)
                            at[l * columns + c] += weight * static_cast<double>(rows[levels[l] * columns + c]);
                });
            }
    });
    for (std::size_t s = 0; s < (splits > 1 ? splits : 0); ++s)
        for (std::size_t i = 0; i < out.rows * columns; ++i) out.data[i] += partial[s * out.rows * columns + i];
}

template <class T>
void scatter_sums(const Lookup& lookup, Matrix<const T> rows, Cube<double> out, const Execution& execution) {
    check(lookup, out.levels);
    require(rows.rows == lookup.points.size, "rows must have a row a point");
    require(out.points == lookup.multipliers.size && out.columns == rows.columns,
            "out must have shape (multipliers, levels, columns)");
    std::fill(out.data, out.data + out.points * out.levels * out.columns, 0.0);
    const Walk walk(lookup);
    parallel_for(walk.groups(), execution, [&](std::size_t g, int worker, Progress& progress) {
        const std::size_t run = run_of(rows.columns);
        for (std::size_t start = 0; start < rows.rows; start += run) {
            progress.checkpoint(worker);
            walk(g, start, std::min(rows.rows, start + run), [&](std::size_t x, const std::size_t* levels) {
                const T* row = rows.row(x);
                for (std::size_t l = 0; l < walk.size(g); ++l) {
                    double* sums = out.at(g * group + l, levels[l]);
                    for (std::size_t c = 0; c < rows.columns; ++c) sums[c] += static_cast<double>(row[c]);
                }
            });
        }
    });
}

template void gather(const Lookup&, Cube<const float>, Cube<float>, const Execution&);
template void gather(const Lookup&, Cube<const double>, Cube<double>, const Execution&);
template void gather_sums(const Lookup&, Vector<const double>, Cube<const float>, Matrix<double>, const Execution&);
template void gather_sums(const Lookup&, Vector<const double>, Cube<const double>, Matrix<double>, const Execution&);
template void scatter_sums(const Lookup&, Matrix<const float>, Cube<double>, const Execution&);
template void scatter_sums(const Lookup&, Matrix<const double>, Cube<double>, const Execution&);

}  // namespace barren
