#!/usr/bin/zsh -f
# type_tab.zsh bash|zsh BINARY_DIRECTORY TEXT - types TEXT and a TAB into a shell at a terminal that has sourced the
# script of `completion`; prints the words that the line then has, each in brackets.
zmodload zsh/zpty
shell=$1 text=$3
export PATH=$2:$PATH TERM=dumb PS1= HISTFILE=
case $shell in
bash) start='bash --norc --noprofile -i' setup='source <(kubectl-hoop completion bash)' ;;
zsh) start='zsh -f -i' setup='PS1=; unsetopt beep; autoload -Uz compinit; compinit -u -D; source <(kubectl-hoop completion zsh)' ;;
esac
zpty typed "$start"
zpty -w typed "$setup"
zpty -w typed "ready() { echo re''ady; }; show() { printf '[%s]' \"\$@\"; echo ' sho''wn'; }; ready"
zpty -r typed seen '*ready*'
zpty -n -w typed "$text"$'\t'
zpty -w typed $'\x01show \x05'
zpty -r typed seen '*] shown*'
zpty -d typed
seen=${seen##*$'\n'}
print -r -- "${${seen%shown*}//$'\r'/}" | sed 's/.*\(\[kubectl-hoop\]\)/\1/; s/ *$//'
