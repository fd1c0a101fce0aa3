# bash completion for conduitctl. Made by: conduitctl completion bash
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
