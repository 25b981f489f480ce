#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "barren/dispatch.hpp"
#include "barren/threads.hpp"
#include "stop.hpp"

namespace barren::bindings {

namespace py = pybind11;

void register_configuration(pybind11::module_& module) {
    module.attr("__version__") = BARREN_VERSION;
    module.attr("compiler") = BARREN_COMPILER;
    module.attr("commit") = BARREN_COMMIT;  // empty where it was not built in a checkout
    module.def("kernel", [] { return std::string(kernels().name); }, "The instruction set whose kernels are in use.");
    module.def("use_kernel", &use_kernels, py::arg("name"),
               "Takes another instruction set from the next call on; for tests that compare them in one process.");
    module.def("available_kernels", &available_kernels, "The instruction sets that this machine runs, best last.");
    module.def("available_threads", &available_threads, "How many threads a call uses when it is not told.");
    py::class_<Stop, std::shared_ptr<Stop>>(module, "Stop", "What a thread raises to stop those that obey it.")
        .def(py::init<>())
        .def("set", &Stop::set, "Stops the threads that obey, each at its next checkpoint.")
        .def("is_set", &Stop::is_set, "Whether it was raised.");
    module.def(
        "obey", [](std::shared_ptr<Stop> stop) { obeyed() = std::move(stop); }, py::arg("stop").none(true),
        "Core calls of this thread look at `stop` from now on, and no more at Python's signals; None: as before.");
    module.def("checkpoint", &checkpoint, "Raises KeyboardInterrupt in a thread whose Stop was set.");
}

}  // namespace barren::bindings
