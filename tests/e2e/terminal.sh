# shellcheck shell=bash disable=SC2154,SC2016 # run sets variables for us; what the shells inside expand
# terminal.sh - `kubectl hoop exec` at a terminal: signals, job control and the terminal itself are as if the command
# had been started directly. A script of keys (e2e/pty.c) runs twice, with $RUN once as nothing and once as exec; what
# the terminal shows must be the same.

PTY=$(dirname "$(dirname "$HOOP")")/tests/e2e/pty

# at_terminal RUN OUT: the script on stdin, typed into an interactive bash.
at_terminal() {
    local status=0
    RUN="$1" PS1='READY> ' "$PTY" bash --norc --noediting -i >"$2.raw" 2>"$2.err" || status=$?
    tr -d '\r' <"$2.raw" | sed 's,^\[1\] [0-9]*$,[1] PID,' >"$2"
    [ "$status" -eq 0 ] || fail "with RUN='$1': $(cat "$2.err")
$(tail -c 2000 "$2")"
}

# same_at_terminal: the script on stdin behaves the same directly and under exec.
same_at_terminal() {
    cat >"$TEST_DIR/keys"
    at_terminal env "$TEST_DIR/direct" <"$TEST_DIR/keys"
    at_terminal 'kubectl-hoop exec -q --' "$TEST_DIR/exec" <"$TEST_DIR/keys"
    assert_same_file "$TEST_DIR/direct" "$TEST_DIR/exec" "what the terminal shows"
}

test_terminal_is_passed_through() {
    same_at_terminal <<'END'
expect READY>
send export T=$(tty)\r
expect READY>
send $RUN sh -c '[ "$(tty)" = "$T" ] && [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size && echo is-""same'\r
expect 24 80
expect is-same
expect READY>
send $RUN bash -c 'trap "stty size; exit 7" WINCH; echo is-""up; while :; do read -t 1 line; done'\r
expect is-up
resize 40 100
expect 40 100
expect READY>
send echo ended-$?\r
expect ended-7
expect READY>
foreground
modes canonical
send exit\r
end 0
END
}

test_ctrl_c_and_ctrl_backslash_reach_the_command_once() {
    same_at_terminal <<'END'
expect READY>
send ulimit -c 0\r
expect READY>
send $RUN sh -c 'echo is-""up; exec sleep 1000'\r
expect is-up
send ^C
expect READY>
send echo ended-$?\r
expect ended-130
expect READY>
send $RUN sh -c 'echo is-""up; exec sleep 1000'\r
expect is-up
send ^\
expect READY>
send echo ended-$?\r
expect ended-131
expect READY>
send $RUN bash -c 'trap "echo int-\$((++n))" INT; echo is-""up; while [ "${n:-0}" -lt 2 ]; do read -t 1 line; done; exit 6'\r
expect is-up
send ^C
expect int-1
send ^C
expect int-2
expect READY>
send echo ended-$?\r
expect ended-6
expect READY>
foreground
modes canonical
send exit\r
end 0
END
}

test_ctrl_z_stops_and_fg_goes_on() {
    same_at_terminal <<'END'
expect READY>
send $RUN sh -c 'echo is-""up; while read line; do echo got-"$line"; [ "$line" != end ] || exit 4; done'\r
expect is-up
send one\r
expect got-one
send ^Z
expect Stopped
expect READY>
foreground
send jobs\r
expect Stopped
expect READY>
send fg\r
expect $RUN
send two\r
expect got-two
send ^Z
expect Stopped
expect READY>
send bg\r
expect READY>
send until jobs -s | grep -q .; do sleep 0.1; done; jobs\r
expect Stopped
expect READY>
send fg\r
expect $RUN
send end\r
expect got-end
expect READY>
send echo ended-$?\r
expect ended-4
expect READY>
foreground
modes canonical
send exit\r
end 0
END
}

# What ignores Ctrl-Z goes on, and its shell goes on waiting.
test_command_that_ignores_ctrl_z_is_not_stopped() {
    same_at_terminal <<'END'
expect READY>
send $RUN sh -c 'trap "" TSTP; echo is-""up; read line; echo got-"$line"'\r
expect is-up
send ^Z
expect ^Z
send more\r
expect got-
expect READY>
send jobs; echo none-""left\r
expect none-left
expect READY>
send exit\r
end 0
END
}

test_background_job_that_reads_the_terminal_stops() {
    same_at_terminal <<'END'
expect READY>
send PS1=\r
expect PS1=
send $RUN cat & until jobs -s | grep -q .; do sleep 0.1; done; PS1='READ''Y> '; jobs\r
expect Stopped
expect READY>
send fg\r
expect cat
send hello\r
expect hello
expect hello
send ^D
expect READY>
send echo ended-$?\r
expect ended-0
expect READY>
foreground
send exit\r
end 0
END
}

# As its child, a shell has a process group of its own, and takes and gives the terminal itself.
test_interactive_shell_inside_has_its_own_jobs() {
    same_at_terminal <<'END'
expect READY>
send PS1='I''N> ' $RUN bash --norc --noediting -i\r
expect IN>
send sh -c 'echo is-""up; exec sleep 1000'\r
expect is-up
send ^C
expect IN>
send echo ended-$?\r
expect ended-130
expect IN>
send sh -c 'echo is-""up; read line; echo got-$line'\r
expect is-up
send ^Z
expect Stopped
expect IN>
send fg\r
expect echo got
send word\r
expect got-word
expect IN>
send suspend\r
expect Stopped
expect READY>
foreground
send jobs\r
expect Stopped
expect READY>
send fg\r
expect $RUN
expect IN>
send echo still-""here\r
expect still-here
expect IN>
send exit 3\r
expect READY>
send echo ended-$?\r
expect ended-3
expect READY>
foreground
modes canonical
send exit\r
end 0
END
}

test_signals_to_exec_alone_reach_the_command() {
    cat >signals <<'END'
ulimit -c 0
for s in HUP INT QUIT TERM USR1 USR2 ALRM; do
    rm -f up
    $RUN sh -c 'touch up; exec sleep 1000' &
    until [ -e up ]; do sleep 0.05; done
    kill -$s $!
    wait $! 2>/dev/null
    echo $s-$?
done 2>/dev/null
END
    cat >stops <<'END'
rm -f up down
$RUN sh -c 'touch up; until [ -e down ]; do sleep 0.1; done; exit 5' &
until [ -e up ]; do sleep 0.05; done
kill -TSTP $!
until jobs -s | grep -q .; do sleep 0.1; done
kill -CONT $!
until jobs -r | grep -q .; do sleep 0.1; done
touch down
wait $!
echo ended-$?
END
    same_at_terminal <<'END'
expect READY>
send . ./signals\r
expect HUP-129
expect INT-130
expect QUIT-131
expect TERM-143
expect USR1-138
expect USR2-140
expect ALRM-142
expect READY>
send . ./stops 2>/dev/null >stops.out; cat stops.out\r
expect ended-5
expect READY>
send exit\r
end 0
END
}

# Modes that a killed command leaves are the shell's to mend, which it does for what was killed.
test_modes_are_right_after_a_killed_command() {
    same_at_terminal <<'END'
expect READY>
send $RUN sh -c 'stty raw -echo; printf is-""up; kill -KILL $$'\r
expect is-up
expect READY>
modes canonical
send echo ended-$?\r
expect ended-137
expect READY>
foreground
send exit\r
end 0
END
}

test_closed_terminal_ends_the_command_and_seals() {
    at_terminal 'kubectl-hoop exec --' "$TEST_DIR/exec" <<'END'
expect READY>
send $RUN sh -c 'echo $$ >pid; echo is-""up; exec sleep 1000'\r
expect is-up
hangup
end 129
END
    wait_until 30 hoop verify @last
    ! kill -0 "$(cat pid)" 2>/dev/null || fail "the command outlived its terminal"
}

# A ~/.bashrc that sets PATH and KUBECONFIG does not lead around the gateway.
test_without_a_command_a_person_gets_a_shell() {
    printf '%s\n' "export KUBECONFIG=/nowhere PATH='$PATH'" "PS1='RECORDED> '" >"$HOME/.bashrc"
    SHELL=/bin/bash at_terminal 'kubectl-hoop exec' "$TEST_DIR/exec" <<'END'
expect READY>
send $RUN\r
expect no command given: this starts /bin/bash
expect recording session
expect RECORDED>
send kubectl get ns default -o name; kubectl hoop exec\r
expect namespace/default
expect already inside session
expect RECORDED>
send exit 3\r
expect 2 commands
expect READY>
send echo ended-$?\r
expect ended-3
expect READY>
foreground
send exit\r
end 0
END
    assert_equal '["/bin/bash"]' "$(events 'select(.type == "session.start") | .argv')"
    run hoop exec
    assert_status 2
    assert_contains "$err" 'no command given'
}
