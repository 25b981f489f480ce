#include "arrays.hpp"
#include "barren/tables.hpp"

namespace barren::bindings {
namespace {

Lookup lookup(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points, std::int64_t modulus,
              const Array<std::int32_t>& levels) {
    return {vector_view(multipliers, "multipliers"), vector_view(points, "points"), modulus_of(modulus),
            vector_view(levels, "levels")};
}

template <class T>
Cube<const T> cube_view(const Array<T>& array, const char* name) {
    require_rank(array, 3, name);
    require_aligned(array, name);
    return {array.data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1)),
            static_cast<std::size_t>(array.shape(2))};
}

template <class T>
Cube<T> output_cube(Array<T>& array) {
    return {array.mutable_data(), static_cast<std::size_t>(array.shape(0)), static_cast<std::size_t>(array.shape(1)),
            static_cast<std::size_t>(array.shape(2))};
}

Array<std::int64_t> bound_level_counts(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points,
                                       std::int64_t modulus, const Array<std::int32_t>& levels, std::int64_t count,
                                       int threads) {
    const auto where = lookup(multipliers, points, modulus, levels);
    require(count >= 0, "count must not be negative");
    const auto how = execution(threads);
    auto out = new_array<std::int64_t>({points.size(), count});
    const Matrix<std::int64_t> out_view{out.mutable_data(), static_cast<std::size_t>(points.size()),
                                        static_cast<std::size_t>(count)};
    {
        py::gil_scoped_release release;
        level_counts(where, out_view, how);
    }
    return out;
}

// Returns py::array: stubs of overloads that differ in the dtype returned do not type-check.
template <class T>
py::array bound_gather(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points, std::int64_t modulus,
                       const Array<std::int32_t>& levels, const Array<T>& table, int threads) {
    const auto where = lookup(multipliers, points, modulus, levels);
    const auto table_view = cube_view(table, "table");
    const auto how = execution(threads);
    auto out = new_array<T>({multipliers.size(), points.size(), table.shape(2)});
    const auto out_view = output_cube(out);
    {
        py::gil_scoped_release release;
        gather(where, table_view, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_gather_sums(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points,
                                std::int64_t modulus, const Array<std::int32_t>& levels, const Array<double>& weights,
                                const Array<T>& table, int threads) {
    const auto where = lookup(multipliers, points, modulus, levels);
    const auto weights_view = vector_view(weights, "weights");
    const auto table_view = cube_view(table, "table");
    const auto how = execution(threads);
    auto out = new_array<double>({multipliers.size(), table.shape(2)});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        gather_sums(where, weights_view, table_view, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_scatter_sums(const Array<std::int64_t>& multipliers, const Array<std::int64_t>& points,
                                 std::int64_t modulus, const Array<std::int32_t>& levels, std::int64_t count,
                                 const Array<T>& rows, int threads) {
    const auto where = lookup(multipliers, points, modulus, levels);
    require(count >= 0, "count must not be negative");
    const auto rows_view = matrix_view(rows, "rows");
    const auto how = execution(threads);
    auto out = new_array<double>({multipliers.size(), count, rows.shape(1)});
    const auto out_view = output_cube(out);
    {
        py::gil_scoped_release release;
        scatter_sums(where, rows_view, out_view, how);
    }
    return out;
}

template <class T>
void register_for(py::module_& module) {
    module.def("gather", &bound_gather<T>, py::arg("multipliers").noconvert(), py::arg("points").noconvert(),
               py::arg("modulus"), py::arg("levels").noconvert(), py::arg("table").noconvert(), py::arg("threads") = 0,
               "table[x, level of a·x mod m], of shape (members, points, columns).");
    module.def("gather_sums", &bound_gather_sums<T>, py::arg("multipliers").noconvert(), py::arg("points").noconvert(),
               py::arg("modulus"), py::arg("levels").noconvert(), py::arg("weights").noconvert(),
               py::arg("table").noconvert(), py::arg("threads") = 0,
               "sum over x of weights[x]·table[x, level of a·x mod m], float64 of shape (members, columns).");
    module.def("scatter_sums", &bound_scatter_sums<T>, py::arg("multipliers").noconvert(),
               py::arg("points").noconvert(), py::arg("modulus"), py::arg("levels").noconvert(), py::arg("count"),
               py::arg("rows").noconvert(), py::arg("threads") = 0,
               "sum of the rows[x] of one level of a·x mod m, float64 of shape (members, count, columns).");
}

}  // namespace

void register_tables(py::module_& module) {
    module.def("level_counts", &bound_level_counts, py::arg("multipliers").noconvert(), py::arg("points").noconvert(),
               py::arg("modulus"), py::arg("levels").noconvert(), py::arg("count"), py::arg("threads") = 0,
               "how many multipliers have each level at each point, int64 of shape (points, count).");
    register_for<float>(module);
    register_for<double>(module);
}

}  // namespace barren::bindings
