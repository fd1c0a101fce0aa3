// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_database.hpp"

#include <fmt/format.h>

namespace conduit::test {
namespace {

std::string word_of(const std::string& text)
{
    constexpr std::string_view k_lead = "/* conduitctl ";
    if (text.starts_with(k_lead))
        return text.substr(k_lead.size(), text.find(" */") - k_lead.size());
    return text.substr(0, text.find(' '));
}

constexpr std::uint32_t k_text = 25, k_int8 = 20;

} // namespace

SqlResult FakeDatabase::rows(const std::vector<std::string>& columns,
                             const std::vector<std::vector<SqlValue>>& rows)
{
    SqlResult out;
    for (const auto& column : columns) // "n:int" is a number
        out.columns.push_back(column.ends_with(":int")
                                  ? SqlColumn{column.substr(0, column.size() - 4), k_int8}
                                  : SqlColumn{column, k_text});
    out.rows = rows;
    return out;
}

void FakeDatabase::answer(const std::string& word, const std::vector<std::pair<std::string, SqlValue>>& row)
{
    std::vector<std::string> names;
    std::vector<SqlValue> values;
    for (const auto& [name, value] : row) {
        names.push_back(name);
        values.push_back(value);
    }
    answers[word] = [result = rows(names, {values})](const SqlRequest&) -> Result<SqlResult> {
        return result;
    };
}

FakeDatabase::FakeDatabase()
{
    answer("ping", {{"one", "1"}, {"version", "15.1"}, {"standby", "f"}, {"usr", "postgres"}});
    answer("status", {{"role", "primary"},
                      {"connections:int", "3"},
                      {"max_connections:int", "100"},
                      {"reserved:int", "3"},
                      {"hidden:int", "0"}});
    answer("limit", {{"max_connections:int", "100"},
                     {"reserved:int", "3"},
                     {"connections:int", "3"},
                     {"hidden:int", "0"}});
    answer("connections", {{"name", "idle"}, {"connections:int", "3"}});
    answer("size", {{"bytes:int", "1000"}});
    answer("counters", {{"age_s", "5"}});
    answer("extension", {{"schema", "public"}, {"version:int", "150001"}});
    answer("statements", {{"query", "SELECT 1"}, {"calls:int", "1"}});
    answer("query", {{"n", "1"}});
    answer("probe", {{"n", "42"}});
    answer("clock", {{"t", "2026-11-22 12:00:00+00"}});
    answer("vacuumed", {{"n", "0"}, {"first", std::nullopt}});
    answer_settings();
    answer_tables();
    answer_sessions();
}

void FakeDatabase::answer_settings()
{
    answers["setting"] = [this](const SqlRequest& r) -> Result<SqlResult> {
        const auto name = r.values.at(0).value_or("");
        const auto found = settings.find(name);
        const SqlValue written = found == settings.end() ? SqlValue() : SqlValue(found->second);
        return rows({"name", "setting", "context", "vartype", "choices", "source", "ours", "pending_restart",
                     "written", "applied", "error"},
                    {{name, written.value_or("4MB"), "sighup", "string", "[]",
                      written ? "configuration file" : "default", written ? "t" : "f", "f", written,
                      written ? "t" : "f", ""}});
    };
    answers["alter-system"] = [this](const SqlRequest& r) -> Result<SqlResult> {
        const auto words = r.text.substr(r.text.find("ALTER SYSTEM ") + 13);
        if (words.starts_with("RESET "))
            settings.erase(words.substr(6));
        else
            settings[words.substr(4, words.find(" = ") - 4)] =
                words.substr(words.find("E'") + 2, words.size() - words.find("E'") - 3);
        return SqlResult{};
    };
    answer("pending-restart", {{"name", "max_connections"}, {"setting", "100"}});
    answers["started"] = [this](const SqlRequest&) -> Result<SqlResult> {
        return rows({"t"}, {{started_anew ? "2026-11-22 13:00:00+00" : "2026-11-22 11:00:00+00"}});
    };
    answer("sessions-now", {{"n:int", "3"}});
}

void FakeDatabase::answer_tables()
{
    answers["find"] = [this](const SqlRequest& r) -> Result<SqlResult> {
        std::vector<std::vector<SqlValue>> all;
        const auto add = [&](const std::string& oid, const std::string& name, const std::string& kind) {
            const auto wanted = r.values.at(0);
            if (r.values.at(1)->contains(kind) && (!wanted || *wanted == name || *wanted == "public." + name))
                all.push_back({oid, "public", name, kind, "true", kind == "i" ? "public.logs" : "", "true"});
        };
        add("1", "logs", "r");
        add("2", "logs_archive", "r");
        if (indexes.contains("by_time"))
            add("3", "by_time", "i");
        return rows({"oid", "schema", "name", "kind", "owned", "table", "valid"}, all);
    };
    indexes["by_time"] = "CREATE INDEX by_time ON public.logs USING btree (at)";
    answers["index"] = [this](const SqlRequest& r) -> Result<SqlResult> {
        const auto found = indexes.find(r.values.at(1).value_or(""));
        if (found == indexes.end())
            return rows({"oid", "valid", "definition", "building"}, {});
        return rows({"oid", "valid", "definition", "building"}, {{"3", "t", found->second, "f"}});
    };
    answers["index-definition"] = [](const SqlRequest& r) -> Result<SqlResult> {
        return rows({"definition", "missing"},
                    {{fmt::format("CREATE INDEX {} ON public.logs USING btree (at)", *r.values.at(1)),
                      std::nullopt}});
    };
    answers["index-create"] = [this](const SqlRequest& r) -> Result<SqlResult> {
        const auto from = r.text.find("CONCURRENTLY ") + 13;
        const auto name = r.text.substr(from, r.text.find(' ', from) - from);
        indexes[name] = "CREATE INDEX " + r.text.substr(from);
        return SqlResult{};
    };
    answers["index-drop"] = [this](const SqlRequest& r) -> Result<SqlResult> {
        const auto from = r.text.rfind(".\"") + 2;
        indexes.erase(r.text.substr(from, r.text.size() - from - 1));
        return SqlResult{};
    };
    answers["columns"] = [](const SqlRequest&) -> Result<SqlResult> {
        return rows({"name", "type", "made", "needed"}, {{"at", "timestamp with time zone", "f", "f"}});
    };
    answer("dangers", {{"total", "10"}, {"indexed", "t"}});
    answer("cutoff", {{"t", "2026-08-22 12:00:00+00"}});
    answers["old-rows"] = [this](const SqlRequest&) -> Result<SqlResult> {
        return rows({"n"}, {{std::to_string(old_rows)}});
    };
    answers["archive"] = [this](const SqlRequest&) -> Result<SqlResult> {
        const auto one = std::to_string(old_rows > 0 ? 1 : 0);
        old_rows -= old_rows > 0 ? 1 : 0;
        return rows({"gone", "kept"}, {{one, one}});
    };
    answers["archive-left"] = [this](const SqlRequest&) -> Result<SqlResult> {
        return rows({"some"}, {{old_rows > 0 ? "t" : "f"}});
    };
}

void FakeDatabase::answer_sessions()
{
    answer("rights", {{"superuser", "t"}, {"signal", "t"}, {"hidden", "0"}, {"usr", "postgres"}});
    answers["idle-sessions"] = [this](const SqlRequest&) -> Result<SqlResult> {
        std::vector<std::vector<SqlValue>> all;
        for (const auto* pid : {"7", "8"})
            if (session_lives)
                all.push_back({pid, "2026-11-22 11:00:00+00", "web", "api", "local", "idle", "600"});
        return rows({"pid", "started", "usr", "app", "client", "state", "idle"}, all);
    };
    answers["end-session"] = [this](const SqlRequest&) -> Result<SqlResult> {
        session_lives = false;
        return rows({"ended"}, {{"t"}});
    };
    answers["session"] = [this](const SqlRequest&) -> Result<SqlResult> {
        return rows({"n"}, {{session_lives ? "1" : "0"}});
    };
}

Result<SqlResult> FakeDatabase::run(const SqlRequest& request, Deadline /*deadline*/)
{
    const auto word = word_of(request.text);
    if (cancel != nullptr && cancel->requested() && word != "ROLLBACK")
        return fail(ErrorKind::interrupted, "interrupted");
    asked.push_back(word);
    if (before)
        before(word);
    for (const auto& key : {word, std::string("*")})
        if (const auto fault = faults.find(key); fault != faults.end())
            return fault->second;
    const auto known = answers.find(word);
    auto result = known == answers.end() ? Result<SqlResult>(SqlResult{}) : known->second(request);
    if (result && request.sent)
        request.sent();
    return result;
}

} // namespace conduit::test
