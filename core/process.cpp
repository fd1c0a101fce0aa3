// SPDX-License-Identifier: Apache-2.0
#include "core/process.hpp"

#include "core/text.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace conduit {
namespace {

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Result<Pipe> make_pipe()
{
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0)
        return fail(ErrorKind::failed, fmt::format("cannot create a pipe: {}", std::strerror(errno)));
    return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Everything the child needs, built before fork so that the child allocates nothing.
struct Image {
    std::vector<std::string> env_text;
    std::vector<char*> argv;
    std::vector<char*> envp;

    Image(const std::vector<std::string>& args, const std::map<std::string, std::string>& extra)
    {
        for (char** e = environ; *e != nullptr; ++e) {
            const std::string_view entry(*e);
            if (!extra.contains(std::string(entry.substr(0, entry.find('=')))))
                env_text.emplace_back(entry);
        }
        for (const auto& [key, value] : extra)
            env_text.push_back(key + "=" + value);
        for (auto& text : env_text)
            envp.push_back(text.data());
        envp.push_back(nullptr);
        for (const auto& arg : args)
            argv.push_back(const_cast<char*>(arg.c_str()));
        argv.push_back(nullptr);
    }
};

[[noreturn]] void report_and_exit(int report_fd)
{
    const int error_number = errno;
    [[maybe_unused]] const auto n = ::write(report_fd, &error_number, sizeof error_number);
    ::_exit(127);
}

void reset_signals()
{
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// 0 when exec succeeded, else the child's errno.
int exec_outcome(int report_fd)
{
    int error_number = 0;
    while (::read(report_fd, &error_number, sizeof error_number) < 0 && errno == EINTR) {
    }
    return error_number;
}

Error exec_error(const std::string& program, int error_number)
{
    const auto kind = error_number == ENOENT ? ErrorKind::not_found : ErrorKind::failed;
    return {kind, fmt::format("cannot run {}: {}", program, std::strerror(error_number))};
}

int exit_code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int wait_for(pid_t pid)
{
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return exit_code_of(status);
}

struct Exchange {
    UniqueFd in;
    UniqueFd out;
    UniqueFd err;
};

bool drain(UniqueFd& fd, std::string& into, std::size_t limit)
{
    std::array<char, 65536> buffer{};
    const auto n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0) {
        fd.reset();
        return true;
    }
    into.append(buffer.data(), static_cast<std::size_t>(n));
    return into.size() <= limit;
}

// Feeds stdin and collects output until both ends are closed. False: deadline or too much output.
bool exchange(Exchange& io, std::string_view input, ProcessResult& result, std::size_t limit,
              Deadline deadline)
{
    if (input.empty())
        io.in.reset();
    while (io.in || io.out || io.err) {
        std::array<pollfd, 3> polls{
            {{io.in.get(), POLLOUT, 0}, {io.out.get(), POLLIN, 0}, {io.err.get(), POLLIN, 0}}};
        const auto wait = static_cast<int>(std::min<std::int64_t>(deadline.left().count(), 1000));
        if (deadline.passed())
            return false;
        if (::poll(polls.data(), polls.size(), wait) < 0 && errno != EINTR)
            return false;
        if (io.in && polls[0].revents != 0) {
            const auto n = ::write(io.in.get(), input.data(), input.size());
            if (n > 0)
                input.remove_prefix(static_cast<std::size_t>(n));
            if (input.empty() || (n < 0 && errno != EINTR && errno != EAGAIN))
                io.in.reset();
        }
        if (io.out && polls[1].revents != 0 && !drain(io.out, result.out, limit))
            return false;
        if (io.err && polls[2].revents != 0 && !drain(io.err, result.err, limit))
            return false;
    }
    return true;
}

} // namespace

Result<ProcessResult> run_process(const ProcessSpec& spec, Deadline deadline)
{
    if (spec.argv.empty())
        return fail(ErrorKind::internal, "run_process without a program");
    TRY_ASSIGN(Pipe in, make_pipe());
    TRY_ASSIGN(Pipe out, make_pipe());
    TRY_ASSIGN(Pipe err, make_pipe());
    TRY_ASSIGN(Pipe report, make_pipe());
    Image image(spec.argv, spec.env);
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail(ErrorKind::failed,
                    fmt::format("cannot start {}: {}", spec.argv[0], std::strerror(errno)));
    if (pid == 0) {
        reset_signals();
        if (::dup2(in.read.get(), 0) < 0 || ::dup2(out.write.get(), 1) < 0 ||
            ::dup2(err.write.get(), 2) < 0 || (!spec.cwd.empty() && ::chdir(spec.cwd.c_str()) != 0))
            report_and_exit(report.write.get());
        ::execvpe(image.argv[0], image.argv.data(), image.envp.data());
        report_and_exit(report.write.get());
    }
    in.read.reset();
    out.write.reset();
    err.write.reset();
    report.write.reset();
    if (const int error_number = exec_outcome(report.read.get()); error_number != 0) {
        wait_for(pid);
        return exec_error(spec.argv[0], error_number);
    }
    ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
    Exchange io{std::move(in.write), std::move(out.read), std::move(err.read)};
    ProcessResult result;
    if (!exchange(io, spec.stdin_bytes, result, spec.max_output, deadline)) {
        ::kill(pid, SIGKILL);
        wait_for(pid);
        return fail(ErrorKind::unknown,
                    fmt::format("{} did not end in time or printed too much", spec.argv[0]));
    }
    result.exit_code = wait_for(pid);
    return result;
}

Result<pid_t> spawn_process(const SpawnSpec& spec)
{
    if (spec.argv.empty())
        return fail(ErrorKind::internal, "spawn_process without a program");
    TRY_ASSIGN(Pipe report, make_pipe());
    const auto log = spec.stdout_file.empty() ? fs::path("/dev/null") : spec.stdout_file;
    const UniqueFd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!output || !null)
        return file_error("open", log, errno);
    Image image(spec.argv, spec.env);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail(ErrorKind::failed,
                    fmt::format("cannot start {}: {}", spec.argv[0], std::strerror(errno)));
    if (pid == 0) {
        reset_signals();
        if (spec.new_session)
            ::setsid();
        if (spec.die_with_parent && (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent))
            ::_exit(127);
        // First out of the way (3...), then into place, so that no descriptor is overwritten before it is
        // moved.
        const int base = 3 + static_cast<int>(spec.pass_fds.size());
        const int report_fd = ::fcntl(report.write.get(), F_DUPFD_CLOEXEC, base + 64);
        std::array<int, 64> moved{};
        for (std::size_t i = 0; i < spec.pass_fds.size() && i < moved.size(); ++i)
            moved[i] = ::fcntl(spec.pass_fds[i], F_DUPFD_CLOEXEC, base + 65);
        const int output_fd = ::fcntl(output.get(), F_DUPFD_CLOEXEC, base + 65);
        const int null_fd = ::fcntl(null.get(), F_DUPFD_CLOEXEC, base + 65);
        for (std::size_t i = 0; i < spec.pass_fds.size() && i < moved.size(); ++i)
            ::dup2(moved[i], 3 + static_cast<int>(i));
        ::dup2(null_fd, 0);
        ::dup2(output_fd, 1);
        ::dup2(output_fd, 2);
        ::execvpe(image.argv[0], image.argv.data(), image.envp.data());
        report_and_exit(report_fd);
    }
    report.write.reset();
    if (const int error_number = exec_outcome(report.read.get()); error_number != 0) {
        wait_for(pid);
        return exec_error(spec.argv[0], error_number);
    }
    return pid;
}

bool process_alive(pid_t pid)
{
    if (pid <= 0 || (::kill(pid, 0) != 0 && errno != EPERM))
        return false;
    const auto stat = read_file(fmt::format("/proc/{}/stat", pid), 4096);
    if (!stat)
        return false;
    const auto end = stat->rfind(')');
    return end != std::string::npos && end + 2 < stat->size() && (*stat)[end + 2] != 'Z';
}

std::optional<std::uint64_t> process_start_ticks(pid_t pid)
{
    const auto stat = read_file(fmt::format("/proc/{}/stat", pid), 4096);
    if (!stat || stat->rfind(')') == std::string::npos)
        return std::nullopt;
    const auto fields = split(trim(std::string_view(*stat).substr(stat->rfind(')') + 1)), ' ');
    std::uint64_t ticks = 0;
    constexpr std::size_t k_starttime = 19; // field 22 of proc(5), counted from the state field
    if (fields.size() <= k_starttime)
        return std::nullopt;
    const auto& text = fields[k_starttime];
    if (std::from_chars(text.data(), text.data() + text.size(), ticks).ec != std::errc{})
        return std::nullopt;
    return ticks;
}

} // namespace conduit
