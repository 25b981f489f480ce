#include "arrays.hpp"
#include "barren/gcd_matrix.hpp"

namespace barren::bindings {
namespace {

Array<double> bound_gcd_product(const Array<double>& v, const Array<double>& weights, const Array<std::int64_t>& primes,
                                int threads) {
    const auto vector = vector_view(v, "v");
    const auto weight = vector_view(weights, "weights");
    const auto sieve = vector_view(primes, "primes");
    require(vector.size == weight.size, "v and weights must have the same number of entries");
    const auto how = execution(threads);
    Array<double> out(static_cast<py::ssize_t>(vector.size));
    const auto out_view = output(out);
    {
        py::gil_scoped_release release;
        gcd_product(vector, weight, sieve, out_view, how);
    }
    return out;
}

}  // namespace

void register_gcd_matrix(py::module_& module) {
    module.def(
        "gcd_product", &bound_gcd_product, py::arg("v").noconvert(), py::arg("weights").noconvert(),
        py::arg("primes").noconvert(), py::arg("threads") = 0,
        "The product by [f(gcd(a, b))], a, b = 1..A, with f(n) the sum of weights[d-1] over the d that divide n;\n"
        "primes are those up to A. float64 of shape (A,).");
}

}  // namespace barren::bindings
