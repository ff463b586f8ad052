%% The same work as mailbox_bench.ts, ask_bench.ts and idle_actors_bench.ts on Erlang/OTP, so that
%% both can be measured on one machine. Prints one JSON line for each measurement.
%%
%% Run: erlc -o /tmp bench/erlang/actors.erl && erl -noshell -pa /tmp -s actors main -- 1000000
%%
%% `plain` is a bare receive loop with `!` and a monitored request, the least Erlang can do;
%% `gen_server` is what its applications are made of: cast and call.

-module(actors).
-behaviour(gen_server).
-export([main/0, init/1, handle_cast/2, handle_call/3]).

main() ->
    [Size | _] = [list_to_integer(Word) || Word <- init:get_plain_arguments()] ++ [1000000],
    io:format("{\"otp\":~s,\"schedulers\":~b}~n",
              [erlang:system_info(otp_release), erlang:system_info(schedulers_online)]),
    [begin
         report("tells", plain, Size, tells(plain, Size)),
         report("tells", gen_server, Size, tells(gen_server, Size)),
         report("asks_one_asker", plain, Size div 4, asks(plain, 1, Size div 4)),
         report("asks_one_asker", gen_server, Size div 4, asks(gen_server, 1, Size div 4)),
         report("asks_100_askers", plain, Size div 4, asks(plain, 100, Size div 400)),
         report("asks_100_askers", gen_server, Size div 4, asks(gen_server, 100, Size div 400))
     end || _ <- lists:seq(1, 3)],
    idle(plain, Size div 5),
    idle(gen_server, Size div 5),
    halt().

report(Name, Kind, Count, Micros) ->
    io:format("{\"bench\":\"~s\",\"kind\":\"~s\",\"count\":~b,\"perSecond\":~b}~n",
              [Name, Kind, Count, round(Count * 1000000 / max(1, Micros))]).

%% Count tells from one sender, then one ask which proves that all were handled.
tells(Kind, Count) ->
    Pid = start(Kind),
    {Micros, Count} = timer:tc(fun() -> send(Kind, Pid, Count), get_total(Kind, Pid) end),
    stop(Kind, Pid),
    Micros.

send(_, _, 0) -> ok;
send(plain, Pid, Count) -> Pid ! {add, 1}, send(plain, Pid, Count - 1);
send(gen_server, Pid, Count) -> gen_server:cast(Pid, {add, 1}), send(gen_server, Pid, Count - 1).

%% Askers that each wait for one reply before they ask again.
asks(Kind, Askers, Each) ->
    Pid = start(Kind),
    {Micros, _} = timer:tc(fun() ->
        Monitors = [element(2, spawn_monitor(fun() -> ask(Kind, Pid, Each) end))
                    || _ <- lists:seq(1, Askers)],
        [receive {'DOWN', Monitor, process, _, normal} -> ok end || Monitor <- Monitors]
    end),
    stop(Kind, Pid),
    Micros.

ask(_, _, 0) -> ok;
ask(Kind, Pid, Count) -> 0 = get_total(Kind, Pid), ask(Kind, Pid, Count - 1).

get_total(gen_server, Pid) -> gen_server:call(Pid, total, infinity);
get_total(plain, Pid) ->
    Monitor = erlang:monitor(process, Pid),
    Pid ! {total, self(), Monitor},
    receive
        {Monitor, Total} -> erlang:demonitor(Monitor, [flush]), Total;
        {'DOWN', Monitor, process, _, Reason} -> exit(Reason)
    end.

start(plain) -> spawn_link(fun() -> loop(0) end);
start(gen_server) -> {ok, Pid} = gen_server:start_link(?MODULE, [], []), Pid.

stop(plain, Pid) -> unlink(Pid), exit(Pid, kill);
stop(gen_server, Pid) -> gen_server:stop(Pid).

loop(Total) ->
    receive
        {add, Count} -> loop(Total + Count);
        {total, From, Tag} -> From ! {Tag, Total}, loop(Total)
    end.

init([]) -> {ok, 0}.
handle_cast({add, Count}, Total) -> {noreply, Total + Count}.
handle_call(total, _From, Total) -> {reply, Total, Total}.

%% Bytes and time of many idle processes.
idle(Kind, Count) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    {StartMicros, Pids} = timer:tc(fun() -> [start(Kind) || _ <- lists:seq(1, Count)] end),
    erlang:garbage_collect(),
    Bytes = (erlang:memory(total) - Before) / Count,
    {StopMicros, _} = timer:tc(fun() -> stop_all(Pids) end),
    io:format("{\"bench\":\"idle\",\"kind\":\"~s\",\"count\":~b,\"bytesEach\":~b,"
              "\"startMs\":~b,\"stopMs\":~b}~n",
              [Kind, Count, round(Bytes), StartMicros div 1000, StopMicros div 1000]).

stop_all(Pids) ->
    Monitors = [begin unlink(Pid), Monitor = erlang:monitor(process, Pid),
                      exit(Pid, shutdown), Monitor end || Pid <- Pids],
    [receive {'DOWN', Monitor, process, _, _} -> ok end || Monitor <- Monitors].
