#include <pybind11/stl.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "barren/frequencies.hpp"

namespace barren::bindings {
namespace {

using Pair = std::pair<double, double>;

// (coefficient, shape, harmonic, cut, cut less one, table); each cut is a pair, the nearest double and what is left.
// Other shapes than threshold and steps take no notice of cuts and table.
using Term = std::tuple<double, std::string, double, Pair, Pair, Array<double>>;

FrequencyFamily family(const Array<double>& frequencies, const Array<double>& points, const std::vector<Term>& waves,
                       double shift, double divisor) {
    FrequencyFamily out{matrix_view(frequencies, "frequencies"), matrix_view(points, "points"), {}, shift, divisor};
    for (const auto& [coefficient, shape, harmonic, cut, below, table] : waves) {
        WaveTerm term{coefficient, {}};
        Wave& wave = term.wave;
        wave.shape = shape_of(shape);
        wave.harmonic = harmonic;
        wave.cut = cut.first;
        wave.cut_rest = cut.second;
        wave.below = below.first;
        wave.below_rest = below.second;
        const auto view = vector_view(table, "table");
        wave.table = view.data;
        wave.size = view.size;
        out.terms.push_back(term);
    }
    return out;
}

std::vector<Piece> lines(const Array<double>& pieces, const char* name) {
    const auto rows = matrix_view(pieces, name);
    require(rows.columns == 3, "pieces must have three columns: start, value, slope");
    std::vector<Piece> out;
    out.reserve(rows.rows);
    for (std::size_t k = 0; k < rows.rows; ++k) out.push_back({rows.row(k)[0], rows.row(k)[1], rows.row(k)[2]});
    return out;
}

Array<double> bound_values(const Array<double>& frequencies, const Array<double>& points,
                           const std::vector<Term>& waves, int threads, double shift, double divisor) {
    const auto members = family(frequencies, points, waves, shift, divisor);
    const auto how = execution(threads);
    auto out = new_array<double>({frequencies.shape(0), points.shape(0)});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        values(members, out_view, how);
    }
    return out;
}

Array<double> bound_interval_products(const Array<double>& x, const Array<double>& y, const Array<double>& of_x,
                                      const Array<double>& of_y, int threads) {
    const auto x_view = vector_view(x, "x"), y_view = vector_view(y, "y");
    const auto x_lines = lines(of_x, "of_x"), y_lines = lines(of_y, "of_y");
    const auto how = execution(threads);
    auto out = new_array<double>({x.size(), y.size()});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        interval_products(x_view, y_view, {x_lines.data(), x_lines.size()}, {y_lines.data(), y_lines.size()}, out_view,
                          how);
    }
    return out;
}

Array<double> bound_interval_cosines(const Array<double>& x, const Array<double>& y, const Array<double>& of_y,
                                     int threads) {
    const auto x_view = vector_view(x, "x"), y_view = vector_view(y, "y");
    const auto y_lines = lines(of_y, "of_y");
    const auto how = execution(threads);
    auto out = new_array<double>({x.size(), y.size()});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        interval_cosines(x_view, y_view, {y_lines.data(), y_lines.size()}, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_responses(const Array<double>& frequencies, const Array<double>& points,
                              const std::vector<Term>& waves, const Array<double>& weights, const Array<T>& jacobian,
                              int threads, double shift, double divisor) {
    const auto members = family(frequencies, points, waves, shift, divisor);
    const auto weights_view = vector_view(weights, "weights");
    const auto jacobian_view = matrix_view(jacobian, "jacobian");
    const auto how = execution(threads);
    auto out = new_array<double>({frequencies.shape(0), jacobian.shape(1)});
    const auto out_view = output_matrix(out);
    {
        py::gil_scoped_release release;
        responses(members, weights_view, jacobian_view, out_view, how);
    }
    return out;
}

template <class T>
Array<double> bound_quadratic_forms(const Array<double>& frequencies, const Array<double>& points,
                                    const std::vector<Term>& waves, const Array<double>& offset, const Array<T>& ntk,
                                    int threads, double shift, double divisor) {
    const auto members = family(frequencies, points, waves, shift, divisor);
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
               py::arg("points").noconvert(), py::arg("waves").noconvert(), py::arg("weights").noconvert(),
               py::arg("jacobian").noconvert(), py::arg("threads") = 0, py::arg("shift") = 0.0,
               py::arg("divisor") = 1.0,
               "sum over x of weights[x]·(ψ(⟨a, x⟩/divisor) − shift)·jacobian[x], float64 of shape (members, columns); "
               "factors are rounded to the dtype of the Jacobian.");
    module.def("frequency_quadratic_forms", &bound_quadratic_forms<T>, py::arg("frequencies").noconvert(),
               py::arg("points").noconvert(), py::arg("waves").noconvert(), py::arg("offset").noconvert(),
               py::arg("ntk").noconvert(), py::arg("threads") = 0, py::arg("shift") = 0.0, py::arg("divisor") = 1.0,
               "(ψ_a − shift − offset)ᵀ·ntk·(ψ_a − shift − offset) for a symmetric ntk, float64 of shape (members,); "
               "ψ_a − shift and offset are rounded to the dtype of ntk.");
}

}  // namespace

void register_frequencies(py::module_& module) {
    module.def("frequency_values", &bound_values, py::arg("frequencies").noconvert(), py::arg("points").noconvert(),
               py::arg("waves").noconvert(), py::arg("threads") = 0, py::arg("shift") = 0.0, py::arg("divisor") = 1.0,
               "ψ(⟨a, x⟩/divisor) − shift, ψ a sum of waves (coefficient, shape, harmonic, cut, cut less one, table); "
               "float64 of "
               "shape (members, points).");
    module.def(
        "interval_products", &bound_interval_products, py::arg("x").noconvert(), py::arg("y").noconvert(),
        py::arg("of_x").noconvert(), py::arg("of_y").noconvert(), py::arg("threads") = 0,
        "∫₀¹ ψ(u·x)·φ(u·y) du for ψ and φ of lines, rows (start, value, slope); float64 of shape (len(x), len(y)).");
    module.def(
        "interval_cosines", &bound_interval_cosines, py::arg("x").noconvert(), py::arg("y").noconvert(),
        py::arg("of_y").noconvert(), py::arg("threads") = 0,
        "∫₀¹ cos(2πu·x)·φ(u·y) du for a φ of lines, rows (start, value, slope); float64 of shape (len(x), len(y)).");
    register_for<float>(module);
    register_for<double>(module);
}

}  // namespace barren::bindings
