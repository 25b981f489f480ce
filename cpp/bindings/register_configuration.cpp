#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "barren/dispatch.hpp"
#include "barren/threads.hpp"

namespace barren::bindings {

namespace py = pybind11;

void register_configuration(pybind11::module_& module) {
    module.attr("__version__") = BARREN_VERSION;
    module.attr("compiler") = BARREN_COMPILER;
    module.def("kernel", [] { return std::string(kernels().name); }, "The instruction set whose kernels are in use.");
    module.def("use_kernel", &use_kernels, py::arg("name"),
               "Takes another instruction set from the next call on; for tests that compare them in one process.");
    module.def("available_kernels", &available_kernels, "The instruction sets that this machine runs, best last.");
    module.def("available_threads", &available_threads, "How many threads a call uses when it is not told.");
}

}  // namespace barren::bindings
