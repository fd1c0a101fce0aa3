// SPDX-License-Identifier: Apache-2.0
#include "core/chain.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <thread>

namespace conduit {
namespace {

constexpr std::size_t k_piece = 256U << 10U;

class ChildSink final : public ByteSink {
  public:
    ChildSink(Child& child, const Cancel* stop) : child_(child), stop_(stop) {}
    Result<> write(std::string_view bytes) override { return child_.write(bytes, stop_); }

  private:
    Child& child_;
    const Cancel* stop_;
};

Result<> pump(Child& from, ByteSink& to, const Cancel* stop)
{
    const auto buffer = std::make_unique<std::array<char, k_piece>>();
    for (;;) {
        TRY_ASSIGN(const auto n, from.read(buffer->data(), buffer->size(), stop));
        if (n == 0)
            return {};
        TRY(to.write({buffer->data(), n}));
    }
}

// One way: from the producer or program i-1 into program i or the end.
struct Way {
    Result<> outcome;
    std::unique_ptr<ByteSink> entry;
    std::unique_ptr<CountingSink> count;
};

} // namespace

Result<> CountingSink::write(std::string_view bytes)
{
    bytes_ += bytes.size();
    hash_.update(bytes);
    return next_ == nullptr ? Result<>() : next_->write(bytes);
}

Passed CountingSink::passed()
{
    return {bytes_, hex(hash_.finish())};
}

Result<std::vector<Passed>> run_chain(const Produce& produce, std::span<const ChildSpec> programs,
                                      ByteSink& to, const Cancel* stop)
{
    std::vector<Child> children;
    for (const auto& program : programs) {
        TRY_ASSIGN(auto child, Child::start(program));
        children.push_back(std::move(child));
    }
    std::vector<Way> ways(children.size() + 1);
    for (std::size_t i = 0; i < ways.size(); ++i) {
        if (i < children.size())
            ways[i].entry = std::make_unique<ChildSink>(children[i], stop);
        ways[i].count = std::make_unique<CountingSink>(i < children.size() ? ways[i].entry.get() : &to);
    }
    // What fails on one way must not leave the others waiting: everything that runs is ended.
    const auto run = [&](std::size_t i, const std::function<Result<>()>& work) {
        ways[i].outcome = work();
        if (!ways[i].outcome)
            for (auto& child : children)
                child.kill();
        else if (i < children.size())
            children[i].end_input();
    };
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < ways.size(); ++i)
            threads.emplace_back(
                [&, i] { run(i, [&, i] { return pump(children[i - 1], *ways[i].count, stop); }); });
        run(0, [&] { return produce(*ways[0].count); });
    }
    if (stop != nullptr && stop->requested())
        return fail(ErrorKind::interrupted, "interrupted");
    // A program's own words explain best, but not those of one that we ended because another way failed.
    const bool well = std::ranges::all_of(ways, [](const Way& way) { return way.outcome.has_value(); });
    for (auto& child : children) {
        auto ended = child.finish(stop);
        if (!ended && (well || ended.error().message.find("signal 9") == std::string::npos))
            return std::move(ended).error();
    }
    for (auto& way : ways)
        if (!way.outcome)
            return std::move(way.outcome).error();
    std::vector<Passed> passed;
    passed.reserve(ways.size());
    for (auto& way : ways)
        passed.push_back(way.count->passed());
    return passed;
}

Produce output_of(ChildSpec program, const Cancel* stop)
{
    return [program = std::move(program), stop](ByteSink& to) -> Result<> {
        TRY_ASSIGN(auto child, Child::start(program));
        auto pumped = pump(child, to, stop);
        if (!pumped)
            child.kill();
        auto ended = child.finish(stop);
        return pumped ? std::move(ended) : std::move(pumped);
    };
}

} // namespace conduit
