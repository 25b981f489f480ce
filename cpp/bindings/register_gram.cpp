#include <pybind11/stl.h>

#include <utility>

#include "arrays.hpp"
#include "barren/gram.hpp"

namespace barren::bindings {
namespace {

using Bounds = std::pair<std::size_t, std::size_t>;
// Holders of this kind are refused where the object was never made, by __new__ without __init__.
template <class T>
using Packed = std::shared_ptr<PackedFactor<T>>;

template <class T>
Packed<T> packed(const Array<T>& matrix, int threads) {
    const auto view = matrix_view(matrix, "matrix");
    const auto how = execution(threads);
    py::gil_scoped_release release;
    return std::make_shared<PackedFactor<T>>(view, how);
}

template <class T>
Array<double> bound_column_means(const Array<T>& rows, int threads) {
    const auto view = matrix_view(rows, "rows");
    const auto how = execution(threads);
    auto out = new_array<double>({rows.shape(1)});
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        column_means(view, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_cross_products(const Array<T>& rows, const Array<double>& vectors, int threads) {
    const auto view = matrix_view(rows, "rows");
    const auto vectors_view = matrix_view(vectors, "vectors");
    const auto how = execution(threads);
    auto out = new_array<double>({vectors.shape(0), vectors.shape(0), rows.shape(0)});
    const Matrix<double> out_view{out.mutable_data(), vectors_view.rows * vectors_view.rows, view.rows};
    {
        py::gil_scoped_release release;
        cross_products(view, vectors_view, out_view, how);
    }
    return out;
}

template <class T>
GramFactor<T> factor_view(const Packed<T>& left, const Packed<T>& right, const Array<double>& left_terms,
                          const Array<double>& right_terms, double constant, const Array<double>& out) {
    require_apart(out, left_terms, "left_terms");
    require_apart(out, right_terms, "right_terms");
    return {&made(left, "left"), &made(right, "right"), vector_view(left_terms, "left_terms"),
            vector_view(right_terms, "right_terms"), constant};
}

template <class T>
void run(const GramFactor<T>* factors, std::size_t count, const Bounds& rows, const Bounds& columns, Array<double>& out,
         bool accumulate, bool reduced, int threads) {
    require_rank(out, 2, "out");
    require_writeable(out, "out");
    require_aligned(out, "out");
    const auto out_view = output_matrix(out);
    const auto how = execution(threads);
    py::gil_scoped_release release;
    gram_block(factors, count, {rows.first, rows.second}, {columns.first, columns.second}, accumulate, reduced,
               out_view, how);
}

template <class T>
void bound_one(const Packed<T>& left, const Packed<T>& right, const Array<double>& left_terms,
               const Array<double>& right_terms, double constant, const Bounds& rows, const Bounds& columns,
               Array<double>& out, bool accumulate, int threads, bool reduced) {
    const auto factor = factor_view(left, right, left_terms, right_terms, constant, out);
    run(&factor, 1, rows, columns, out, accumulate, reduced, threads);
}

template <class T>
void bound_two(const Packed<T>& left, const Packed<T>& right, const Array<double>& left_terms,
               const Array<double>& right_terms, double constant, const Packed<T>& second_left,
               const Packed<T>& second_right, const Array<double>& second_left_terms,
               const Array<double>& second_right_terms, double second_constant, const Bounds& rows,
               const Bounds& columns, Array<double>& out, bool accumulate, int threads, bool reduced) {
    const GramFactor<T> factors[2] = {
        factor_view(left, right, left_terms, right_terms, constant, out),
        factor_view(second_left, second_right, second_left_terms, second_right_terms, second_constant, out)};
    run(factors, 2, rows, columns, out, accumulate, reduced, threads);
}

template <class T>
void register_for(py::module_& module, const char* name) {
    py::class_<PackedFactor<T>, Packed<T>>(module, name, "A matrix regrouped for products with others of its width.")
        .def(py::init(&packed<T>), py::arg("matrix").noconvert(), py::arg("threads") = 0)
        .def_property_readonly("rows", [](const Packed<T>& self) { return made(self, "self").rows(); })
        .def_property_readonly("width", [](const Packed<T>& self) { return made(self, "self").width(); });
    module.def("column_means", &bound_column_means<T>, py::arg("rows").noconvert(), py::arg("threads") = 0,
               "The mean of every column, summed in float64, shape (columns,).");
    module.def("cross_products", &bound_cross_products<T>, py::arg("rows").noconvert(), py::arg("vectors").noconvert(),
               py::arg("threads") = 0,
               "For rows (n, T·w) and vectors (T, w): rows[i, t]·vectors[s] at [t, s, i], float64 of shape (T, T, n).");
    module.def("gram_block", &bound_one<T>, py::arg("left"), py::arg("right"), py::arg("left_terms").noconvert(),
               py::arg("right_terms").noconvert(), py::arg("constant"), py::arg("rows"), py::arg("columns"),
               py::arg("out").noconvert(), py::arg("accumulate"), py::arg("threads") = 0, py::arg("reduced") = false,
               "out = left·rightᵀ + left_terms + right_terms + constant at these rows and columns, or added to it; "
               "reduced: without what depends on the row alone or on the column alone.");
    module.def("gram_block", &bound_two<T>, py::arg("left"), py::arg("right"), py::arg("left_terms").noconvert(),
               py::arg("right_terms").noconvert(), py::arg("constant"), py::arg("second_left"), py::arg("second_right"),
               py::arg("second_left_terms").noconvert(), py::arg("second_right_terms").noconvert(),
               py::arg("second_constant"), py::arg("rows"), py::arg("columns"), py::arg("out").noconvert(),
               py::arg("accumulate"), py::arg("threads") = 0, py::arg("reduced") = false,
               "The entrywise product of two such blocks; reduced as for one.");
}

}  // namespace

void register_gram(py::module_& module) {
    register_for<float>(module, "PackedFactor32");
    register_for<double>(module, "PackedFactor64");
}

}  // namespace barren::bindings
