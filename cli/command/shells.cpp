// SPDX-License-Identifier: Apache-2.0
#include "cli/command/shells.hpp"

namespace conduit {

// Bash breaks words at "=" and ":"; they are put together again for the program, and the part before the last
// break is cut off the answers, because bash replaces only what stands behind it.
std::string_view bash_completion()
{
    return R"BASH(# bash completion for conduitctl. Made by: conduitctl completion bash
__conduitctl_complete() {
    local words=() word glued=0 i
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ${#words[@]} -gt 0 && ( $word =~ ^[=:]+$ || $glued == 1 ) ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        [[ $word =~ ^[=:]+$ ]] && glued=1 || glued=0
    done
    local cur="" out bits line value
    [[ ${#words[@]} -gt 0 ]] && cur=${words[${#words[@]}-1]}
    out=$("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null) || return
    bits=${out##*:}
    out=${out%:*}
    COMPREPLY=()
    ((bits & 1)) && return
    local cut=""
    [[ $cur == *[=:]* ]] && cut=${cur%"${cur##*[=:]}"}
    local values=() notes=()
    while IFS= read -r line; do
        [[ -z $line ]] && continue
        value=${line%%$'\t'*}
        values+=("${value#"$cut"}")
        [[ $line == *$'\t'* ]] && notes+=("${line#*$'\t'}") || notes+=("")
    done <<<"$out"
    if [[ ${COMP_TYPE:-9} == 63 && ${#values[@]} -gt 1 ]]; then
        for i in "${!values[@]}"; do
            printf -v line '%-24s %s' "${values[i]}" "${notes[i]:+(${notes[i]})}"
            COMPREPLY+=("$line")
        done
    else
        for value in "${values[@]}"; do
            printf -v line '%q' "$value"
            COMPREPLY+=("$line")
        done
    fi
    if [[ $(type -t compopt) == builtin ]]; then
        ((bits & 2)) && compopt -o nospace
        ((bits & 16)) && [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o dirnames
        ((bits & 20)) || { [[ ${#COMPREPLY[@]} -eq 0 ]] && compopt -o default; }
    fi
    return 0
}
complete -F __conduitctl_complete conduitctl
)BASH";
}

std::string_view zsh_completion()
{
    return R"ZSH(#compdef conduitctl
# zsh completion for conduitctl. Made by: conduitctl completion zsh
_conduitctl() {
    local out line value note bits cut=""
    local -a lines values shown
    out=$("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null) || return 1
    lines=("${(@f)out}")
    bits=${lines[-1]#:}
    lines=("${(@)lines[1,-2]}")
    ((bits & 1)) && return 1
    if [[ ${words[CURRENT]} == -*=* ]]; then
        cut="${words[CURRENT]%%=*}="
        compset -P "*="
    fi
    for line in $lines; do
        [[ -z $line ]] && continue
        value=${line%%$'\t'*}
        value=${value#$cut}
        note=""
        [[ $line == *$'\t'* ]] && note=${line#*$'\t'}
        values+=("$value")
        shown+=("${value}${note:+  -- $note}")
    done
    if ((${#values} > 0)); then
        local -a options
        ((bits & 2)) && options=(-S "")
        compadd -l -d shown $options -a values
        return
    fi
    ((bits & 16)) && { _files -/; return; }
    ((bits & 4)) || _files
}
if [[ ${funcstack[1]} == _conduitctl ]]; then
    _conduitctl "$@"
else
    compdef _conduitctl conduitctl
fi
)ZSH";
}

std::string_view fish_completion()
{
    return R"FISH(# fish completion for conduitctl. Made by: conduitctl completion fish
function __conduitctl_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l out ($before[1] __complete $before[2..-1] "$current" 2>/dev/null)
    or return
    test (count $out) -gt 0
    or return
    set -l bits (string replace -r '^:' '' -- $out[-1])
    set -e out[-1]
    if test (math "bitand($bits, 1)") -ne 0
        return
    end
    if test (count $out) -gt 0
        printf '%s\n' $out
    else if test (math "bitand($bits, 16)") -ne 0
        __fish_complete_directories "$current"
    else if test (math "bitand($bits, 4)") -eq 0
        __fish_complete_path "$current"
    end
end
complete -c conduitctl -e
complete -c conduitctl -f -a '(__conduitctl_complete)'
)FISH";
}

} // namespace conduit
