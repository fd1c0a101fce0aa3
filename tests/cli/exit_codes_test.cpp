// SPDX-License-Identifier: Apache-2.0
// Every exit code that a verb declares is produced by a fault that is really there.
#include "core/text.hpp"
#include "tests/cli/exit_codes.hpp"
#include "tests/support/catch.hpp"

#include <set>

using namespace conduit;
using namespace conduit::test;

namespace {

// Started by `local up` and never typed; tests/integration/local runs it.
const std::set<std::string> k_exempt{"local supervise"};

const Case* case_of(const std::string& verb)
{
    for (const auto& c : exit_code_cases())
        if (c.verb == verb)
            return &c;
    return nullptr;
}

void replace_words(Stage& stage)
{
    for (auto& word : stage.words) {
        if (word == "ID")
            word = stage.newest_operation();
        else if (word.starts_with("FILE"))
            word = stage.file(word).string();
    }
}

int run_with(const Case& c, const Inject& inject, Stage& stage)
{
    if (!c.content.empty())
        stage.write("FILE", c.content);
    if (c.before)
        c.before(stage);
    stage.words = c.words;
    replace_words(stage);
    inject(stage);
    if (stage.words.front() == "NOBODY") {
        stage.words.erase(stage.words.begin());
        return stage.run_as_nobody();
    }
    return stage.run();
}

} // namespace

TEST_CASE("every exit code a verb declares comes from the fault it stands for")
{
    for (const Noun& noun : commands::all()) {
        for (const Verb& verb : noun.verbs) {
            const auto path = command_path(noun, verb);
            if (k_exempt.contains(path))
                continue;
            INFO("conduitctl " << path);
            const auto* c = case_of(path);
            REQUIRE(c != nullptr);
            for (const auto kind : declared_codes(verb.doc)) {
                INFO("exit code " << to_exit(kind) << " (" << kind_name(kind) << ")");
                const auto own = c->more.find(kind);
                const auto shared = c->faults->find(kind);
                if (own == c->more.end() && shared == c->faults->end()) {
                    FAIL_CHECK("no row brings it about");
                    continue;
                }
                Stage stage;
                const int code = run_with(*c, own != c->more.end() ? own->second : shared->second, stage);
                INFO(join(stage.words, " ") << "\n" << stage.error);
                CHECK(code == to_exit(kind));
            }
        }
    }
}

TEST_CASE("no fault makes a verb end with a code it does not declare")
{
    std::set<std::string> known;
    for (const Noun& noun : commands::all())
        for (const Verb& verb : noun.verbs) {
            const auto path = command_path(noun, verb);
            known.insert(path);
            const auto* c = case_of(path);
            if (c == nullptr)
                continue;
            const auto declared = declared_codes(verb.doc);
            for (const auto& [kind, inject] : *c->faults) {
                if (c->more.contains(kind) || std::ranges::find(declared, kind) != declared.end())
                    continue; // that is the test above
                INFO("conduitctl " << path << " with the fault of " << kind_name(kind));
                Stage stage;
                const int code = run_with(*c, inject, stage);
                INFO(stage.error);
                CHECK(std::ranges::any_of(declared, [&](ErrorKind d) { return to_exit(d) == code; }));
            }
        }
    for (const auto& c : exit_code_cases()) {
        INFO(c.verb << " is no verb any more");
        CHECK(known.contains(c.verb));
    }
}
