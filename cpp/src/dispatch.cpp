#include "barren/dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "barren/errors.hpp"
#include "barren/probe.hpp"

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
namespace avx512ifma {
const Kernels& set();
}
#endif
#if defined(BARREN_NEON_KERNELS)
namespace neon {
const Kernels& set();
}
#endif

namespace {

std::vector<const Kernels*> runnable() {
    std::vector<const Kernels*> sets{&baseline::set()};
#if defined(BARREN_X86_KERNELS)
    const Processor processor = probe();
    if (processor.avx2) sets.push_back(&avx2::set());
    if (processor.avx512) sets.push_back(&avx512::set());
    if (processor.avx512ifma) sets.push_back(&avx512ifma::set());
#endif
#if defined(BARREN_NEON_KERNELS)
    sets.push_back(&neon::set());  // part of every 64-bit ARM processor, its registers saved by every system
#endif
    return sets;
}

// The set of that name, or nullptr, with the names that there are.
const Kernels* find(const std::string& name, std::string& names) {
    for (const Kernels* kernels : runnable()) {
        if (name == kernels->name) return kernels;
        names += (names.empty() ? "" : ", ") + std::string(kernels->name);
    }
    return nullptr;
}

const Kernels* choose() {
    const char* forced = std::getenv("BARREN_KERNEL");
    if (forced == nullptr || *forced == '\0') return runnable().back();
    std::string names;
    if (const Kernels* found = find(forced, names)) return found;
    throw std::runtime_error("BARREN_KERNEL=" + std::string(forced) + " is not available here; this machine runs " +
                             names);
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& kernels() {
    const Kernels* known = chosen.load(std::memory_order_acquire);
    if (known == nullptr) {
        known = choose();  // the same for every thread that comes here first
        const Kernels* none = nullptr;
        if (!chosen.compare_exchange_strong(none, known)) known = none;
    }
    return *known;
}

void use_kernels(const std::string& name) {
    std::string names;
    const Kernels* found = find(name, names);
    require(found != nullptr, "kernel '" + name + "' is not available here; this machine runs " + names);
    chosen.store(found, std::memory_order_release);
}

std::vector<std::string> available_kernels() {
    std::vector<std::string> names;
    for (const Kernels* kernels : runnable()) names.emplace_back(kernels->name);
    return names;
}

}  // namespace barren
