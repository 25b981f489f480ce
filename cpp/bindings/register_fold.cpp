#include <complex>

#include "arrays.hpp"
#include "barren/fold.hpp"

namespace barren::bindings {
namespace {

template <class T>
void bound_fold(const py::array_t<T, 0>& rows, const Array<std::int64_t>& order, const Array<double>& weights,
                double sign, Array<double>& out, int threads) {
    const auto rows_view = strided_view(rows, "rows");
    const auto order_view = vector_view(order, "order");
    const auto weights_view = vector_view(weights, "weights");
    require_rank(out, 2, "out");
    require_writeable(out, "out");
    require_aligned(out, "out");
    require_apart(out, rows, "rows");
    require_apart(out, order, "order");
    require_apart(out, weights, "weights");
    const auto out_view = output_matrix(out);
    const auto how = execution(threads);
    py::gil_scoped_release release;
    fold(rows_view, order_view, weights_view, sign, out_view, how);
}

Array<double> bound_weighted_energy(const Array<double>& weights, const Array<std::complex<double>>& transform,
                                    int threads) {
    const auto weights_view = vector_view(weights, "weights");
    const auto view = matrix_view(transform, "transform");
    const auto how = execution(threads);
    Array<double> out(transform.shape(1));
    const auto out_view = output(out);
    const Matrix<const double> pairs{reinterpret_cast<const double*>(view.data), view.rows, 2 * view.columns};
    {
        py::gil_scoped_release release;
        weighted_energy(weights_view, pairs, out_view, how);
    }
    return out;
}

template <class T>
void register_for(py::module_& module) {
    module.def("fold", &bound_fold<T>, py::arg("rows").noconvert(), py::arg("order").noconvert(),
               py::arg("weights").noconvert(), py::arg("sign"), py::arg("out").noconvert(), py::arg("threads") = 0,
               "out[i] = f(i) + sign·f(i+m), f(i) = weights[order[i]]·rows[order[i]], zero where order is -1; out is "
               "float64 of shape (m, columns).");
}

}  // namespace

void register_fold(py::module_& module) {
    register_for<float>(module);
    register_for<double>(module);
    module.def("weighted_energy", &bound_weighted_energy, py::arg("weights").noconvert(),
               py::arg("transform").noconvert(), py::arg("threads") = 0,
               "sum over k of weights[k]·|transform[k, c]|², float64 of shape (columns,).");
}

}  // namespace barren::bindings
