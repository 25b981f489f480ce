#include "barren/dispatch.hpp"

#include <cstdlib>
#include <stdexcept>

namespace barren {

// One namespace an instruction set; which exist is decided by the build (see CMakeLists.txt).
namespace baseline {
const Kernels& set();
}
#if defined(BARREN_X86_KERNELS)
namespace avx2 {
const Kernels& set();
}
namespace avx512 {
const Kernels& set();
}
#endif

namespace {

std::vector<const Kernels*> runnable() {
    std::vector<const Kernels*> sets{&baseline::set()};
#if defined(BARREN_X86_KERNELS)
    // The compiler's probe asks the processor and whether the operating system saves the wide registers.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back(&avx2::set());
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        sets.push_back(&avx512::set());
#endif
    return sets;
}

const Kernels& choose() {
    const auto sets = runnable();
    const char* forced = std::getenv("BARREN_KERNEL");
    if (forced == nullptr || *forced == '\0') return *sets.back();
    std::string names;
    for (const Kernels* kernels : sets) {
        if (std::string(forced) == kernels->name) return *kernels;
        names += (names.empty() ? "" : ", ") + std::string(kernels->name);
    }
    throw std::runtime_error("BARREN_KERNEL=" + std::string(forced) + " is not available here; this machine runs " +
                             names);
}

}  // namespace

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

std::vector<std::string> available_kernels() {
    std::vector<std::string> names;
    for (const Kernels* kernels : runnable()) names.emplace_back(kernels->name);
    return names;
}

}  // namespace barren
