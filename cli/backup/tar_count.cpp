// SPDX-License-Identifier: Apache-2.0
// POSIX.1-2017, pax Interchange Format; GNU's base-256 sizes.
#include "cli/backup/tar_count.hpp"

#include <algorithm>
#include <charconv>

namespace conduit::backup {
namespace {

constexpr std::size_t k_block = 512;
constexpr std::size_t k_most_extension = 1U << 20U;

std::uint64_t number_in(std::string_view field)
{
    std::uint64_t value = 0;
    if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
        for (std::size_t i = field.size() - 8; i < field.size(); ++i)
            value = value << 8U | static_cast<unsigned char>(field[i]);
        return value;
    }
    for (const char c : field)
        if (c >= '0' && c <= '7')
            value = value * 8 + static_cast<std::uint64_t>(c - '0');
        else if (c != ' ')
            break;
    return value;
}

bool sum_fits(std::string_view block)
{
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < k_block; ++i)
        sum += static_cast<unsigned char>(i >= 148 && i < 156 ? ' ' : block[i]);
    return sum == number_in(block.substr(148, 8));
}

// "20 size=8589934592\n" among the records of a pax header.
bool size_of(std::string_view records, std::uint64_t& size)
{
    while (!records.empty()) {
        std::size_t length = 0;
        const auto [end, error] = std::from_chars(records.data(), records.data() + records.size(), length);
        const auto head = static_cast<std::size_t>(end - records.data());
        if (error != std::errc() || length <= head + 1 || length > records.size())
            return false;
        const auto record = records.substr(head + 1, length - head - 2);
        if (record.starts_with("size="))
            return std::from_chars(record.data() + 5, record.data() + record.size(), size).ec == std::errc();
        records.remove_prefix(length);
    }
    return false;
}

} // namespace

void TarCounter::header(std::string_view block)
{
    if (std::ranges::all_of(block, [](char c) { return c == '\0'; })) {
        count_.ended = ++zeros_ >= 2;
        return;
    }
    zeros_ = 0;
    if (!sum_fits(block)) {
        count_.broken = true;
        return;
    }
    const char type = block[156];
    auto size = number_in(block.substr(124, 12));
    if (has_pax_size_ && type != 'x' && type != 'g') {
        size = pax_size_;
        has_pax_size_ = false;
    }
    if (type == '0' || type == '\0' || type == '7' || type == 'S') {
        ++count_.files;
        count_.bytes += size;
    }
    const bool content = type == '0' || type == '\0' || type == '7' || type == 'S' || type == 'x' ||
                         type == 'g' || type == 'L' || type == 'K';
    skip_ = content ? (size + k_block - 1) / k_block * k_block : 0;
    in_extension_ = type == 'x';
    extension_left_ = in_extension_ ? size : 0;
    extension_.clear();
}

void TarCounter::feed(std::string_view bytes)
{
    while (!bytes.empty() && !count_.broken && !count_.ended) {
        if (skip_ > 0) {
            const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, bytes.size()));
            if (in_extension_ && extension_.size() < k_most_extension)
                extension_ += bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(
                                                  n, extension_left_ - extension_.size())));
            skip_ -= n;
            bytes.remove_prefix(n);
            if (skip_ == 0 && in_extension_)
                has_pax_size_ = size_of(extension_, pax_size_);
            continue;
        }
        const auto n = std::min(k_block - block_.size(), bytes.size());
        block_ += bytes.substr(0, n);
        bytes.remove_prefix(n);
        if (block_.size() == k_block) {
            header(block_);
            block_.clear();
        }
    }
}

} // namespace conduit::backup
