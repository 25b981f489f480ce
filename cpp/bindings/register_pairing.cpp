#include "arrays.hpp"
#include "barren/pairing.hpp"

namespace barren::bindings {
namespace {

template <class T>
double bound_pairing(const Array<double>& kernel, const Array<std::int64_t>& row_logarithms,
                     const Array<double>& row_weights, const Array<std::int64_t>& column_logarithms,
                     const Array<double>& column_weights, const Array<T>& ntk, int threads) {
    const auto kernel_view = vector_view(kernel, "kernel");
    const Side rows{vector_view(row_logarithms, "row_logarithms"), vector_view(row_weights, "row_weights")};
    const Side columns{vector_view(column_logarithms, "column_logarithms"),
                       vector_view(column_weights, "column_weights")};
    const auto ntk_view = matrix_view(ntk, "ntk");
    const auto how = execution(threads);
    py::gil_scoped_release release;
    return pairing(kernel_view, rows, columns, ntk_view, how);
}

template <class T>
void register_for(py::module_& module) {
    module.def("pairing", &bound_pairing<T>, py::arg("kernel").noconvert(), py::arg("row_logarithms").noconvert(),
               py::arg("row_weights").noconvert(), py::arg("column_logarithms").noconvert(),
               py::arg("column_weights").noconvert(), py::arg("ntk").noconvert(), py::arg("threads") = 0,
               "sum of row_weights[i]·column_weights[j]·kernel[log x_i − log y_j]·ntk[i, j]; points of logarithm -1 "
               "are left out.");
}

}  // namespace

void register_pairing(py::module_& module) {
    register_for<float>(module);
    register_for<double>(module);
}

}  // namespace barren::bindings
