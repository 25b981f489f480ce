#include "barren/threads.hpp"

#include <omp.h>

#include <algorithm>
#include <exception>

#include "barren/errors.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace barren {
namespace {

constexpr auto poll_interval = std::chrono::milliseconds(50);
std::atomic<bool> forked{false};

}  // namespace

void Progress::checkpoint(int worker) {
    // Worker 0 is the calling thread: the only one from which an interpreter may look at its signals.
    if (worker == 0 && execution_.poll) {
        const auto now = std::chrono::steady_clock::now();
        if (now - polled_ >= poll_interval) {
            polled_ = now;
            if (execution_.poll()) stop();
        }
    }
    if (stopped()) throw Interrupted();
}

int available_threads() { return in_forked_child() ? 1 : std::max(1, omp_get_max_threads()); }

int workers_for(std::size_t tasks, const Execution& execution) {
    if (in_forked_child()) return 1;
    const int wanted = execution.threads > 0 ? execution.threads : available_threads();
    return static_cast<int>(std::max<std::size_t>(1, std::min<std::size_t>(tasks, static_cast<std::size_t>(wanted))));
}

void parallel_for(std::size_t tasks, const Execution& execution, const Body& body) {
    Progress progress(execution);
    const int workers = workers_for(tasks, execution);
    if (workers == 1) {
        for (std::size_t task = 0; task < tasks; ++task) {
            progress.checkpoint(0);
            body(task, 0, progress);
        }
        return;
    }
    std::atomic<std::size_t> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr error;
    std::exception_ptr interruption;
#pragma omp parallel num_threads(workers)
    {
        const int worker = omp_get_thread_num();
        try {
            for (std::size_t task = next++; task < tasks; task = next++) {
                progress.checkpoint(worker);
                body(task, worker, progress);
            }
        } catch (const Interrupted&) {
#pragma omp critical(barren_error)
            interruption = std::current_exception();
        } catch (...) {
            progress.stop();
            // The first error is the one to report; the others are its consequences or its twins.
            if (!failed.exchange(true)) error = std::current_exception();
        }
    }
    if (error) std::rethrow_exception(error);
    if (interruption) std::rethrow_exception(interruption);
}

void watch_forks() {
#if !defined(_WIN32)
    pthread_atfork(nullptr, nullptr, [] { forked.store(true, std::memory_order_relaxed); });
#endif
}

bool in_forked_child() { return forked.load(std::memory_order_relaxed); }

}  // namespace barren
