// SPDX-License-Identifier: Apache-2.0
#include "core/child.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace conduit {
namespace {

constexpr int k_look_ms = 100; // how soon a stop is seen
constexpr off_t k_words = 2048;

struct FileActions {
    posix_spawn_file_actions_t value{};
    FileActions() { ::posix_spawn_file_actions_init(&value); }
    ~FileActions() { ::posix_spawn_file_actions_destroy(&value); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
};

struct Attributes { // its own group, so that Ctrl-C is ours to handle; our ignored signals are its defaults
    posix_spawnattr_t value{};
    Attributes()
    {
        ::posix_spawnattr_init(&value);
        sigset_t none, defaults;
        sigemptyset(&none);
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGPIPE);
        ::posix_spawnattr_setsigmask(&value, &none);
        ::posix_spawnattr_setsigdefault(&value, &defaults);
        ::posix_spawnattr_setpgroup(&value, 0);
        ::posix_spawnattr_setflags(&value,
                                   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    ~Attributes() { ::posix_spawnattr_destroy(&value); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
};

Error no_start(const std::string& program, int error_number)
{
    return {error_number == ENOENT ? ErrorKind::not_found : ErrorKind::failed,
            fmt::format("cannot run {}: {}", program, std::strerror(error_number)),
            error_number == ENOENT ? fmt::format("Install it, or put {} into PATH.", program) : ""};
}

Error stopped(const std::string& program)
{
    return {ErrorKind::interrupted, fmt::format("interrupted while {} was running", program)};
}

// True when fd is ready; false when it is to be asked again.
Result<bool> ready(int fd, short events, const Cancel* stop, const std::string& program)
{
    if (stop != nullptr && stop->requested())
        return stopped(program);
    pollfd one{fd, events, 0};
    const int n = ::poll(&one, 1, k_look_ms);
    if (n < 0 && errno != EINTR)
        return no_start(program, errno);
    return n > 0;
}

std::vector<char*> pointers(const std::vector<std::string>& texts)
{
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (const auto& text : texts)
        out.push_back(const_cast<char*>(text.c_str())); // execve's signature; it does not write
    out.push_back(nullptr);
    return out;
}

std::vector<std::string> environment(const std::map<std::string, std::string>& extra)
{
    std::vector<std::string> out;
    for (char** e = environ; *e != nullptr; ++e) {
        const std::string_view entry(*e);
        if (!extra.contains(std::string(entry.substr(0, entry.find('=')))))
            out.emplace_back(entry);
    }
    for (const auto& [name, value] : extra)
        out.push_back(fmt::format("{}={}", name, value));
    return out;
}

} // namespace

Result<Child> Child::start(const ChildSpec& spec)
{
    const auto& program = spec.argv.front();
    // A socket instead of a pipe: writing to one whose reader has gone raises no signal.
    std::array<int, 2> in{-1, -1}, out{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in.data()) != 0)
        return no_start(program, errno);
    UniqueFd our_in(in[0]), its_in(in[1]);
    if (::pipe2(out.data(), O_CLOEXEC) != 0)
        return no_start(program, errno);
    UniqueFd our_out(out[0]), its_out(out[1]);
    UniqueFd err(::memfd_create("stderr", MFD_CLOEXEC));
    const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!err || !null)
        return no_start(program, errno);
    ::fcntl(our_out.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(err.get(), F_SETFL, O_APPEND);

    FileActions actions;
    ::posix_spawn_file_actions_adddup2(&actions.value, spec.fed ? its_in.get() : null.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions.value, its_out.get(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions.value, err.get(), STDERR_FILENO);
    const Attributes attributes;
    const auto env = environment(spec.env);
    auto argv = pointers(spec.argv);
    auto envp = pointers(env);
    pid_t pid = -1;
    const int failed =
        ::posix_spawnp(&pid, program.c_str(), &actions.value, &attributes.value, argv.data(), envp.data());
    if (failed != 0)
        return no_start(program, failed);
    if (!spec.fed)
        our_in.reset();
    return Child(program, pid, std::move(our_in), std::move(our_out), std::move(err));
}

Child::Child(Child&& other) noexcept
    : program_(std::move(other.program_)), pid_(std::exchange(other.pid_, -1)), in_(std::move(other.in_)),
      out_(std::move(other.out_)), err_(std::move(other.err_))
{
}

Child::~Child()
{
    if (pid_ > 0) {
        kill();
        (void)finish(nullptr).has_value();
    }
}

Result<std::size_t> Child::read(char* buffer, std::size_t size, const Cancel* stop)
{
    for (;;) {
        const auto n = ::read(out_.get(), buffer, size);
        if (n >= 0)
            return static_cast<std::size_t>(n);
        if (errno != EAGAIN && errno != EINTR)
            return no_start(program_, errno);
        TRY(ready(out_.get(), POLLIN, stop, program_));
    }
}

Result<> Child::write(std::string_view bytes, const Cancel* stop)
{
    while (!bytes.empty()) {
        const auto n = ::send(in_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            bytes.remove_prefix(static_cast<std::size_t>(n));
        else if (errno != EAGAIN && errno != EINTR)
            return fail(ErrorKind::failed, fmt::format("{} reads no more", program_));
        else
            TRY(ready(in_.get(), POLLOUT, stop, program_));
    }
    return {};
}

void Child::kill()
{
    if (pid_ > 0)
        ::kill(-pid_, SIGKILL);
}

std::string Child::last_words() const
{
    const auto size = ::lseek(err_.get(), 0, SEEK_END);
    std::string words(static_cast<std::size_t>(std::min(std::max<off_t>(size, 0), k_words)), '\0');
    const auto n = ::pread(err_.get(), words.data(), words.size(), std::max<off_t>(size - k_words, 0));
    words.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return printable(trim(words));
}

Result<> Child::finish(const Cancel* stop)
{
    if (pid_ <= 0)
        return {};
    in_.reset();
    out_.reset();
    int status = 0;
    for (;;) {
        const bool asked = stop != nullptr && stop->requested();
        if (asked)
            kill();
        const auto ended = ::waitpid(pid_, &status, asked || stop == nullptr ? 0 : WNOHANG);
        if (ended == pid_)
            break;
        if (ended < 0 && errno != EINTR)
            return no_start(program_, errno);
        if (ended == 0)
            ::poll(nullptr, 0, 5);
    }
    pid_ = -1;
    if (stop != nullptr && stop->requested())
        return stopped(program_);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return {};
    auto what = WIFEXITED(status) ? fmt::format("{} ended with {}", program_, WEXITSTATUS(status))
                                  : fmt::format("{} was ended by signal {}", program_, WTERMSIG(status));
    return Error{ErrorKind::failed, std::move(what)}.with_cause(last_words());
}

} // namespace conduit
