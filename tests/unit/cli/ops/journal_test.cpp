// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/manual_clock.hpp"

#include "cli/ops/journal.hpp"
#include "core/text.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::ManualClock;

namespace {

struct Book {
    TempDir dir = *TempDir::make();
    ManualClock clock;
    Journal journal{dir.path() / "journal", clock};

    Entry add(const std::string& id, Phase phase, const std::string& message = "m")
    {
        Entry entry;
        entry.id = id;
        entry.phase = phase;
        entry.operator_name = "maria";
        entry.message = message;
        auto written = journal.append(std::move(entry));
        REQUIRE(written);
        return *written;
    }
    void fill(int count)
    {
        for (int i = 0; i < count; ++i)
            add("OP" + std::to_string(i), Phase::end);
    }
    fs::path file(const std::string& month = "2026-11") const
    {
        return dir.path() / "journal" / (month + ".jsonl");
    }
    std::vector<std::string> lines(const fs::path& path) const
    {
        auto out = split(*read_file(path), '\n');
        while (!out.empty() && out.back().empty())
            out.pop_back();
        return out;
    }
    void rewrite(const std::vector<std::string>& lines, const std::string& month = "2026-11") const
    {
        REQUIRE(write_file(file(month), lines.empty() ? "" : join(lines, "\n") + "\n"));
    }
    std::string faults() const
    {
        const auto check = journal.verify();
        REQUIRE(check);
        std::string out;
        for (const auto& fault : check->faults)
            out += fault.file + ": " + fault.what + "\n";
        return out;
    }
};

} // namespace

TEST_CASE("an entry is one JSON line with its place in the chain", "[journal]")
{
    Book book;
    book.add("OP1", Phase::begin);
    book.add("OP1", Phase::end);
    const auto lines = book.lines(book.file());
    REQUIRE(lines.size() == 2);
    const auto first = *parse_json(lines[0]);
    const auto second = *parse_json(lines[1]);
    CHECK(first["v"] == 1);
    CHECK(first["seq"] == 1);
    CHECK(first["phase"] == "begin");
    CHECK(first["operator"] == "maria");
    CHECK(first["time"] == "2026-11-22T14:04:00.000Z");
    CHECK(second["prev"] == first["hash"]);
    CHECK(book.faults().empty());
    struct stat info{};
    REQUIRE(::stat(book.file().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600U);
}

TEST_CASE("verify notices a changed byte in any entry", "[journal]")
{
    for (std::size_t which = 0; which < 5; ++which) {
        Book book;
        book.fill(5);
        auto lines = book.lines(book.file());
        lines[which] = replace_all(lines[which], "maria", "marta");
        book.rewrite(lines);
        CHECK(book.faults().find("entry " + std::to_string(which + 1) + " was changed") != std::string::npos);
    }
}

TEST_CASE("verify notices a removed entry wherever it was", "[journal]")
{
    for (std::size_t which = 0; which < 5; ++which) {
        Book book;
        book.fill(5);
        auto lines = book.lines(book.file());
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(which));
        book.rewrite(lines);
        INFO(which);
        CHECK(book.faults().find("entry " + std::to_string(which + 1)) != std::string::npos);
        book.add("LATER", Phase::end); // going on does not heal it
        CHECK(book.faults().find("entry " + std::to_string(which + 1)) != std::string::npos);
    }
}

TEST_CASE("verify notices every single byte changed, and every cut", "[journal]")
{
    Book book;
    book.fill(3);
    const auto good = *read_file(book.file());
    const auto put = [&](const std::string& text) {
        std::ofstream(book.file(), std::ios::binary | std::ios::trunc) << text;
    };
    for (std::size_t at = 0; at < good.size(); ++at) {
        auto bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        put(bad);
        if (book.faults().empty())
            FAIL_CHECK("byte " << at << " changed unseen");
        put(good.substr(0, at));
        if (book.faults().empty())
            FAIL_CHECK("cut at " << at << " unseen");
        CHECK(book.journal.operations({}));
    }
    put(good);
    CHECK(book.faults().empty());
}

TEST_CASE("verify notices entries in another order", "[journal]")
{
    Book book;
    book.fill(4);
    auto lines = book.lines(book.file());
    std::swap(lines[1], lines[2]);
    book.rewrite(lines);
    CHECK(book.faults().find("out of order") != std::string::npos);
}

TEST_CASE("verify notices a cut last line, and one without its newline", "[journal]")
{
    for (const std::size_t bytes : {1U, 20U}) {
        Book book;
        book.fill(3);
        const auto text = *read_file(book.file());
        REQUIRE(write_file(book.file(), text.substr(0, text.size() - bytes)));
        CHECK(book.faults().find("entry 3 was removed from the end") != std::string::npos);
    }
}

TEST_CASE("verify notices that the newest file, a middle one, or all of them are gone", "[journal]")
{
    const auto months = [](Book& book) {
        book.fill(2);
        book.clock.advance(std::chrono::hours(24 * 30));
        book.fill(2);
        book.clock.advance(std::chrono::hours(24 * 30));
        book.fill(2);
        REQUIRE(fs::exists(book.file("2027-01")));
        REQUIRE(book.faults().empty());
    };
    Book newest;
    months(newest);
    fs::remove(newest.file("2027-01"));
    CHECK(newest.faults().find("entries 5 to 6 were removed from the end") != std::string::npos);
    Book middle;
    months(middle);
    fs::remove(middle.file("2026-12"));
    CHECK(middle.faults().find("entries 3 to 4 are missing") != std::string::npos);
    Book oldest;
    months(oldest);
    fs::remove(oldest.file("2026-11"));
    CHECK(oldest.faults().find("entries 1 to 2 are missing") != std::string::npos);
    Book all;
    months(all);
    fs::remove_all(all.dir.path() / "journal");
    CHECK(all.faults().find("entries 1 to 6 were removed from the end") != std::string::npos);
}

TEST_CASE("verify notices that HEAD is gone, old, damaged or rewritten", "[journal]")
{
    Book book;
    book.fill(3);
    const auto head = book.dir.path() / "journal" / "HEAD";
    const auto good = *read_file(head);
    fs::remove(head);
    CHECK(book.faults().find("HEAD: is missing") != std::string::npos);
    REQUIRE(write_file(head, "not JSON"));
    CHECK(book.faults().find("HEAD: cannot be read") != std::string::npos);
    REQUIRE(write_file(head, replace_all(good, "sha256:", "sha256:00")));
    CHECK(book.faults().find("HEAD: has another entry 3") != std::string::npos);
    REQUIRE(write_file(head, good));
    CHECK(book.faults().empty());
    // HEAD removed together with the last entry: the witness outside the folder remembers.
    auto lines = book.lines(book.file());
    lines.pop_back();
    book.rewrite(lines);
    fs::remove(head);
    CHECK(book.faults().find("journal.witness: entry 3 was removed from the end") != std::string::npos);
}

TEST_CASE("a process that died between the line and HEAD is no tampering", "[journal]")
{
    Book book;
    book.fill(2);
    const auto head = book.dir.path() / "journal" / "HEAD";
    const auto witness = book.dir.path() / "journal.witness";
    const auto old_head = *read_file(head);
    const auto old_witness = *read_file(witness);
    book.fill(1);
    REQUIRE(write_file(head, old_head));
    REQUIRE(write_file(witness, old_witness));
    CHECK(book.faults().empty());
    book.fill(1);
    CHECK(book.faults().empty());
    CHECK(book.journal.verify()->last_seq == 4);
}

TEST_CASE("a torn last line is marked, kept, and no fault", "[journal]")
{
    Book book;
    book.fill(2);
    std::ofstream(book.file(), std::ios::app) << R"({"v":1,"id":"OP9","seq":3,"pre)";
    auto check = book.journal.verify();
    CHECK(check->faults.empty());
    REQUIRE(check->notes.size() == 1);
    CHECK(check->notes[0].find("torn line") != std::string::npos);
    book.fill(1);
    const auto lines = book.lines(book.file());
    REQUIRE(lines.size() == 5);
    CHECK(lines[2] == R"({"v":1,"id":"OP9","seq":3,"pre)");
    CHECK(parse_json(lines[3])->at("phase") == "torn");
    check = book.journal.verify();
    CHECK(check->faults.empty());
    CHECK(check->entries == 4);
    CHECK(check->notes.size() == 1);
    CHECK(book.journal.operations({})->size() == 2); // OP0 twice, OP1
    auto changed = lines;
    changed[2] += "x";
    book.rewrite(changed);
    CHECK(book.faults().find("the line cannot be read") != std::string::npos);
}

TEST_CASE("a damaged journal is read past its damage and can be written", "[journal]")
{
    Book book;
    book.fill(3);
    auto lines = book.lines(book.file());
    lines[1] = std::string("\x00\xff{{{", 5) + std::string(3U << 20U, 'z');
    lines.emplace_back("[1,2]");
    lines.push_back(R"({"v":1,"seq":-5,"time":7})");
    book.rewrite(lines);
    CHECK(book.journal.operations({})->size() == 2);
    book.add("LATER", Phase::end);
    CHECK(book.journal.operations({})->size() == 3);
    CHECK(book.journal.operation("LATER"));
    CHECK_FALSE(book.faults().empty());
}

TEST_CASE("operations are listed newest first, and found by a unique prefix", "[journal]")
{
    Book book;
    book.add("01AAA", Phase::begin);
    book.add("01AAA", Phase::end);
    book.clock.advance(std::chrono::hours(24 * 30));
    book.add("01AAB", Phase::begin);
    book.add("01ABC", Phase::dry_run);
    const auto all = book.journal.operations({});
    REQUIRE(all->size() == 2);
    CHECK(all->at(0).id == "01AAB");
    CHECK(all->at(0).unfinished());
    CHECK_FALSE(all->at(1).unfinished());
    HistoryQuery query;
    query.dry_runs = true;
    CHECK(book.journal.operations(query)->size() == 3);
    query = {};
    query.limit = 1;
    CHECK(book.journal.operations(query)->size() == 1);
    CHECK(book.journal.operation("01ab")->id == "01ABC");
    CHECK(book.journal.operation("01AAA")->entries.size() == 2);
    const auto several = book.journal.operation("01AA");
    REQUIRE_FALSE(several);
    CHECK(several.error().kind == ErrorKind::usage);
    CHECK(book.journal.operation("zz").error().kind == ErrorKind::not_found);
    CHECK(book.journal.operation("").error().kind == ErrorKind::not_found);
}

TEST_CASE("an operation over the turn of a month is found whole", "[journal]")
{
    Book book;
    book.add("01AAA", Phase::begin);
    book.clock.advance(std::chrono::hours(24 * 30));
    book.add("01AAA", Phase::end);
    HistoryQuery query;
    query.limit = 1;
    const auto records = book.journal.operations(query);
    REQUIRE(records->size() == 1);
    CHECK(records->front().entries.size() == 2);
    CHECK_FALSE(records->front().unfinished());
}

TEST_CASE("a clock set back does not write before the end", "[journal]")
{
    Book book;
    book.clock.advance(std::chrono::hours(24 * 30));
    book.fill(1);
    book.clock.advance(-std::chrono::hours(24 * 30));
    book.fill(1);
    CHECK_FALSE(fs::exists(book.file("2026-11")));
    CHECK(book.faults().empty());
}

TEST_CASE("a mirror gets each line, and its failure is not the change's", "[journal]")
{
    struct Mirror final : JournalMirror {
        std::vector<Entry> kept;
        Result<> append(const Entry& entry, std::string_view line) override
        {
            CHECK(line.find(entry.id) != std::string_view::npos);
            kept.push_back(entry);
            return fail(ErrorKind::unreachable, "no agent");
        }
        Result<std::vector<Entry>> read(std::string_view, std::size_t) override { return kept; }
    } mirror;
    Book book;
    book.journal.set_mirror(&mirror);
    book.add("01AAA", Phase::begin);
    book.add("01AAA", Phase::end);
    CHECK(mirror.kept.size() == 2);
    REQUIRE(book.journal.mirror_error());
    CHECK(book.journal.mirror_error()->message == "no agent");
    CHECK(book.journal.operation("01AAA")->entries.size() == 2); // not twice
    fs::remove_all(book.dir.path() / "journal");
    CHECK(book.journal.operation("01AAA")->entries.size() == 2);
}
