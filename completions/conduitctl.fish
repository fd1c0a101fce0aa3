# fish completion for conduitctl. Made by: conduitctl completion fish
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
