#include "barren/threads.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "barren/errors.hpp"
#include "team.hpp"

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace barren {
namespace {

constexpr auto poll_interval = std::chrono::milliseconds(50);
constexpr double least_share = 1e6;  // nanoseconds of work that a worker is woken for
std::atomic<bool> forked{false};
// A team's limit is found once; a process may be confined to fewer processors later, where threads would wait in turn.
const int processors_at_load = processors();

int most_threads() {
    const int now = processors();
    return now < processors_at_load ? std::min(now, team_limit()) : team_limit();
}

// Counts the workers that are at work beside worker 0, which waits here for them: at the end of the loop it would see
// no Ctrl-C as long as another is busy.
class Others {
  public:
    void enter() {
        const std::lock_guard lock(mutex_);
        ++busy_;
    }
    void leave() {
        const std::lock_guard lock(mutex_);
        if (--busy_ == 0) all_left_.notify_one();
    }
    bool wait(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        return all_left_.wait_for(lock, time, [&] { return busy_ == 0; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable all_left_;
    int busy_ = 0;
};

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

int available_threads() { return in_forked_child() ? 1 : std::max(1, most_threads()); }

int workers_for(std::size_t tasks, const Execution& execution) {
    if (in_forked_child()) return 1;
    // Where the system cannot start a thread the OpenMP runtime ends the process, so no more are asked for than may be
    // of use.
    static const int most = std::max(64, 4 * processors());
    const int wanted = std::min(most, execution.threads > 0 ? execution.threads : available_threads());
    return static_cast<int>(std::max<std::size_t>(1, std::min<std::size_t>(tasks, static_cast<std::size_t>(wanted))));
}

Execution worth(const Execution& execution, double nanoseconds) {
    Execution how = execution;
    const int wanted = execution.threads > 0 ? execution.threads : available_threads();
    how.threads = static_cast<int>(std::max(1.0, std::min(nanoseconds / least_share, static_cast<double>(wanted))));
    return how;
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
    Others others;
    std::mutex guard;
    std::exception_ptr error;
    std::exception_ptr interruption;
    run_team(workers, [&](int worker) {
        if (worker != 0) others.enter();
        try {
            for (std::size_t task = next++; task < tasks; task = next++) {
                progress.checkpoint(worker);
                body(task, worker, progress);
            }
            while (worker == 0 && !others.wait(poll_interval)) progress.checkpoint(worker);
        } catch (const Interrupted&) {
            const std::lock_guard lock(guard);
            interruption = std::current_exception();
        } catch (...) {
            progress.stop();
            // The first error is the one to report; the others are its consequences or its twins.
            const std::lock_guard lock(guard);
            if (!error) error = std::current_exception();
        }
        if (worker != 0) others.leave();
    });
    if (error) std::rethrow_exception(error);
    if (interruption) std::rethrow_exception(interruption);
}

void watch_forks() {
#if !defined(_WIN32)
    pthread_atfork(nullptr, nullptr, note_fork);
#endif
}

void note_fork() { forked.store(true, std::memory_order_relaxed); }

bool in_forked_child() { return forked.load(std::memory_order_relaxed); }

}  // namespace barren
