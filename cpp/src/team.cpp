#include "team.hpp"

#if defined(BARREN_OPENMP)
#include <omp.h>
#else
#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <vector>
#if defined(__linux__)
#include <sched.h>
#endif
#endif

namespace barren {

#if defined(BARREN_OPENMP)

int processors() noexcept { return omp_get_num_procs(); }

int team_limit() { return omp_get_max_threads(); }

void run_team(int workers, const std::function<void(int worker)>& work) {
#pragma omp parallel num_threads(workers)
    work(omp_get_thread_num());
}

#else

namespace {

constexpr long most_threads = 4096;

// The first number of OMP_NUM_THREADS, which may be a list of one a level; 0 where there is none.
int wanted() {
    const char* text = std::getenv("OMP_NUM_THREADS");
    if (text == nullptr) return 0;
    return static_cast<int>(std::clamp(std::strtol(text, nullptr, 10), 0L, most_threads));
}

}  // namespace

int processors() noexcept {
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int team_limit() {
    static const int limit = wanted() > 0 ? wanted() : processors();  // once, as OpenMP does it
    return limit;
}

void run_team(int workers, const std::function<void(int worker)>& work) {
    std::vector<std::thread> others;
    others.reserve(static_cast<std::size_t>(std::max(workers, 1) - 1));
    for (int worker = 1; worker < workers; ++worker) {
        try {
            others.emplace_back(std::cref(work), worker);
        } catch (const std::system_error&) {
            break;  // the system gives no more threads: those that there are do all the work
        }
    }
    work(0);
    for (std::thread& other : others) other.join();
}

#endif

}  // namespace barren
