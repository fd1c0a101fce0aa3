// SPDX-License-Identifier: Apache-2.0
#include "sim/server/server.hpp"

#include "sim/server/listener.hpp"
#include "sim/server/session.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <nlohmann/json.hpp>
#include <thread>
#include <unistd.h>

namespace conduit::sim {
namespace {

constexpr auto k_try = asio::as_tuple(k_await);
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;

struct Loop { // one thread
    asio::io_context context{1};
    asio::executor_work_guard<Executor> work{context.get_executor()};
    std::jthread thread;
};

struct Site { // one listening socket; used on the first loop alone
    Site(ListenSocket opened, asio::io_context& context)
        : listener(std::move(opened)), acceptor(context), wake(context), expiry(context)
    {
        const auto v6 = listener.url().contains('[');
        acceptor.assign(v6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), ::dup(listener.fd()));
    }
    ListenSocket listener;
    Acceptor acceptor;
    asio::steady_timer wake; // cancelled when the listener is back
    asio::steady_timer expiry;
    std::unique_ptr<Provider> provider; // null: the control API
    bool down = false;
};

} // namespace

struct SimServer::Impl final : SimState {
    SimOptions options;
    std::vector<std::unique_ptr<Loop>> loops; // outlives the sites, whose sockets belong to it
    std::vector<std::unique_ptr<Site>> sites; // control last
    std::size_t next_loop = 0;

    ~Impl() override;
    Result<> open();
    void run();
    Site* find(std::string_view name) const;
    Task<> accept(Site& site);
    void begin(Socket socket, Site& site, asio::io_context& context);
    void arm_expiry(Site& site, Duration expires);

    std::vector<std::string> provider_names() const override;
    Json provider_json(std::string_view name) const override;
    Fault fault_of(std::string_view name) const override;
    Result<> set_fault(std::string_view name, const Fault& fault) override;
    void reset_counters() override;
};

SimServer::Impl::~Impl()
{
    for (auto& loop : loops)
        loop->context.stop();
    for (auto& loop : loops) {
        if (loop->thread.joinable())
            loop->thread.join();
    }
    // Coroutines hold references to the sites' providers: end them first, and the timers and acceptors of the
    // sites before the loops they belong to.
    std::vector<std::unique_ptr<Provider>> providers;
    for (auto& site : sites)
        providers.push_back(std::move(site->provider));
    sites.clear();
    loops.clear();
}

Result<> SimServer::Impl::open()
{
    for (unsigned i = 0; i < std::max(options.threads, 1U); ++i)
        loops.push_back(std::make_unique<Loop>());
    auto& first = loops.front()->context;
    for (const auto& spec : options.providers) {
        if (find(spec.name) != nullptr)
            return fail(ErrorKind::usage, fmt::format("provider '{}' is named twice", spec.name),
                        "Give each --provider a name of its own.");
        TRY_ASSIGN(auto socket, ListenSocket::open(spec.listen));
        sites.push_back(std::make_unique<Site>(std::move(socket), first));
        sites.back()->provider = std::make_unique<Provider>(spec, options.credentials);
    }
    TRY_ASSIGN(auto socket, ListenSocket::open(options.control));
    sites.push_back(std::make_unique<Site>(std::move(socket), first));
    return {};
}

void SimServer::Impl::run()
{
    for (auto& site : sites)
        asio::co_spawn(loops.front()->context, accept(*site), asio::detached);
    for (auto& loop : loops)
        loop->thread = std::jthread([&context = loop->context] { context.run(); });
}

Site* SimServer::Impl::find(std::string_view name) const
{
    const auto found = std::ranges::find_if(
        sites, [&](const auto& site) { return site->provider && site->provider->spec().name == name; });
    return found == sites.end() ? nullptr : found->get();
}

void SimServer::Impl::begin(Socket socket, Site& site, asio::io_context& context)
{
    if (!site.provider) {
        asio::co_spawn(context, serve_control(std::move(socket), *this), asio::detached);
        return;
    }
    if (site.provider->fault()->reset == ResetAt::accept) {
        site.provider->counters().aborted.fetch_add(1);
        reset_socket(socket);
        return;
    }
    const SessionSettings settings{options.bench_route};
    asio::co_spawn(context, serve_provider(std::move(socket), *site.provider, settings), asio::detached);
}

Task<> SimServer::Impl::accept(Site& site)
{
    for (;;) {
        if (site.down) {
            site.wake.expires_at(asio::steady_timer::time_point::max());
            co_await site.wake.async_wait(k_try);
            continue;
        }
        // Control stays on the first loop, which owns the sites.
        const auto index = site.provider ? next_loop++ % loops.size() : 0;
        auto& context = loops[index]->context;
        auto [ec, socket] = co_await site.acceptor.async_accept(context.get_executor(), k_try);
        if (!ec) {
            beast::error_code ignored;
            socket.set_option(asio::ip::tcp::no_delay(true), ignored);
            begin(std::move(socket), site, context);
        } else if (!site.down) {
            co_await pause(Duration{5}); // out of descriptors, or just back from being down
        }
    }
}

void SimServer::Impl::arm_expiry(Site& site, Duration expires)
{
    site.expiry.cancel();
    if (expires.count() == 0)
        return;
    site.expiry.expires_after(expires);
    const auto name = site.provider->spec().name;
    site.expiry.async_wait([this, name](const beast::error_code& ec) {
        if (!ec)
            (void)set_fault(name, Fault{});
    });
}

std::vector<std::string> SimServer::Impl::provider_names() const
{
    std::vector<std::string> names;
    for (const auto& site : sites) {
        if (site->provider)
            names.push_back(site->provider->spec().name);
    }
    return names;
}

Json SimServer::Impl::provider_json(std::string_view name) const
{
    const auto& site = *find(name);
    auto out = site.provider->to_json();
    out["url"] = site.listener.url();
    out["fault"] = fault_json(fault_of(name));
    return out;
}

Fault SimServer::Impl::fault_of(std::string_view name) const
{
    const auto& site = *find(name);
    auto shown = site.provider->fault_shown();
    if (shown.expires.count() > 0) {
        const auto left = site.expiry.expiry() - std::chrono::steady_clock::now();
        shown.expires = std::max(Duration{1}, std::chrono::duration_cast<Duration>(left));
    }
    return shown;
}

Result<> SimServer::Impl::set_fault(std::string_view name, const Fault& fault)
{
    auto& site = *find(name);
    if (fault.down != site.down) {
        TRY(fault.down ? site.listener.refuse() : site.listener.listen_again());
        site.down = fault.down;
        if (site.down)
            site.provider->cut_sockets();
        else
            site.wake.cancel();
    }
    site.provider->set_fault(fault);
    arm_expiry(site, fault.expires);
    return {};
}

void SimServer::Impl::reset_counters()
{
    for (auto& site : sites) {
        if (site->provider)
            site->provider->reset_counters();
    }
}

SimServer::SimServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SimServer::~SimServer() = default;

Result<std::unique_ptr<SimServer>> SimServer::start(SimOptions options)
{
    auto impl = std::make_unique<Impl>();
    impl->options = std::move(options);
    TRY(impl->open());
    impl->run();
    return std::unique_ptr<SimServer>(new SimServer(std::move(impl)));
}

std::string SimServer::provider_url(std::string_view name) const
{
    const auto* site = impl_->find(name);
    return site == nullptr ? "" : site->listener.url();
}

std::string SimServer::control_url() const
{
    return impl_->sites.back()->listener.url();
}

std::string SimServer::ready_json() const
{
    Json providers = Json::object();
    for (const auto& name : impl_->provider_names())
        providers[name] = provider_url(name);
    return dump_json({{"pid", ::getpid()}, {"providers", std::move(providers)}, {"control", control_url()}});
}

} // namespace conduit::sim
