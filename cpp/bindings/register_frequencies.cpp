#include <utility>
#include <vector>

#include "arrays.hpp"
#include "barren/frequencies.hpp"

namespace barren::bindings {
namespace {

using Pair = std::pair<double, double>;

// `parameters` are those of the shape: cosine: (harmonic, 0); threshold: the cut and what it is rounded by, and the
// same of the cut less one.
FrequencyFamily family(const Array<double>& frequencies, const Array<double>& points, const std::string& shape,
                       const Pair& parameter, const Pair& second, const Array<double>& table, double shift) {
    FrequencyFamily out{matrix_view(frequencies, "frequencies"), matrix_view(points, "points"), {}};
    Wave& wave = out.wave;
    wave.shape = shape_of(shape);
    wave.shift = shift;
    wave.harmonic = wave.shape == Shape::cosine ? parameter.first : 1.0;
    wave.cut = parameter.first;
    wave.cut_rest = parameter.second;
    wave.below = second.first;
    wave.below_rest = second.second;
    const auto view = vector_view(table, "table");
    wave.table = view.data;
    wave.size = view.size;
    return out;
}

Array<double> bound_values(const Array<double>& frequencies, const Array<double>& points, const std::string& shape,
                           const Pair& parameter, const Pair& second, const Array<double>& table, int threads) {
    const auto members = family(frequencies, points, shape, parameter, second, table, 0.0);
    const auto how = execution(threads);
    Array<double> out({frequencies.shape(0), points.shape(0)});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        values(members, out_view, how);
    }
    return out;
}

Array<double> bound_interval_products(const Array<double>& x, const Array<double>& y, const Array<double>& pieces,
                                      int threads) {
    const auto x_view = vector_view(x, "x"), y_view = vector_view(y, "y");
    const auto rows = matrix_view(pieces, "pieces");
    require(rows.columns == 3, "pieces must have three columns: start, value, slope");
    std::vector<Piece> lines;
    for (std::size_t k = 0; k < rows.rows; ++k) lines.push_back({rows.row(k)[0], rows.row(k)[1], rows.row(k)[2]});
    const auto how = execution(threads);
    Array<double> out({x.size(), y.size()});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        interval_products(x_view, y_view, {lines.data(), lines.size()}, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_responses(const Array<double>& frequencies, const Array<double>& points, const std::string& shape,
                              const Pair& parameter, const Pair& second, const Array<double>& table,
                              const Array<double>& weights, const Array<T>& jacobian, int threads, double shift) {
    const auto members = family(frequencies, points, shape, parameter, second, table, shift);
    const auto weights_view = vector_view(weights, "weights");
    const auto jacobian_view = matrix_view(jacobian, "jacobian");
    const auto how = execution(threads);
    Array<double> out({frequencies.shape(0), jacobian.shape(1)});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        responses(members, weights_view, jacobian_view, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_quadratic_forms(const Array<double>& frequencies, const Array<double>& points,
                                    const std::string& shape, const Pair& parameter, const Pair& second,
                                    const Array<double>& table, const Array<double>& offset, const Array<T>& ntk,
                                    int threads, double shift) {
    const auto members = family(frequencies, points, shape, parameter, second, table, shift);
    const auto offset_view = vector_view(offset, "offset");
    const auto ntk_view = matrix_view(ntk, "ntk");
    const auto how = execution(threads);
    Array<double> out(frequencies.shape(0));
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        quadratic_forms(members, offset_view, ntk_view, out_view, how);
    }
    return out;
}

template <class T>
void register_for(py::module_& module) {
    module.def("frequency_responses", &bound_responses<T>, py::arg("frequencies").noconvert(),
               py::arg("points").noconvert(), py::arg("shape"), py::arg("parameter"), py::arg("second"),
               py::arg("table").noconvert(), py::arg("weights").noconvert(), py::arg("jacobian").noconvert(),
               py::arg("threads") = 0, py::arg("shift") = 0.0,
               "sum over x of weights[x]·(ψ(⟨a, x⟩) − shift)·jacobian[x], float64 of shape (members, columns).");
    module.def("frequency_quadratic_forms", &bound_quadratic_forms<T>, py::arg("frequencies").noconvert(),
               py::arg("points").noconvert(), py::arg("shape"), py::arg("parameter"), py::arg("second"),
               py::arg("table").noconvert(), py::arg("offset").noconvert(), py::arg("ntk").noconvert(),
               py::arg("threads") = 0, py::arg("shift") = 0.0,
               "(ψ_a − shift − offset)ᵀ·ntk·(ψ_a − shift − offset) for a symmetric ntk, float64 of shape (members,).");
}

}  // namespace

void register_frequencies(py::module_& module) {
    module.def("frequency_values", &bound_values, py::arg("frequencies").noconvert(), py::arg("points").noconvert(),
               py::arg("shape"), py::arg("parameter"), py::arg("second"), py::arg("table").noconvert(),
               py::arg("threads") = 0, "ψ(⟨a, x⟩), float64 of shape (members, points).");
    module.def("interval_products", &bound_interval_products, py::arg("x").noconvert(), py::arg("y").noconvert(),
               py::arg("pieces").noconvert(), py::arg("threads") = 0,
               "∫₀¹ ψ(u·x)·ψ(u·y) du for a ψ of lines, rows (start, value, slope); float64 of shape (len(x), len(y)).");
    register_for<float>(module);
    register_for<double>(module);
}

}  // namespace barren::bindings
