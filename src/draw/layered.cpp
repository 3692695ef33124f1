// SPDX-License-Identifier: MIT
#include "draw/layered.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace hypernodes::draw {
namespace {

constexpr double kBoxGap = 26;    // between boxes of a layer
constexpr double kEdgeGap = 14;   // beside an edge that crosses a layer
constexpr double kLayerGap = 42;  // between layers whose edges go straight
constexpr double kArrivalGap = 18;
constexpr double kInLine = 0.05;

/// What stands in a layer: a box, or the place where an edge crosses the layer.
struct Item {
  double size;
  int layer;
  bool crossing;
  double place = 0;
  int order = 0;
};

/// A stretch of an edge from one layer to the next.
struct Link {
  int from, to;
  double from_at, to_at;
  double weight;
};

class Layering {
 public:
  Layering(std::span<const LayeredBox> boxes, std::span<const LayeredEdge> edges)
      : boxes_(boxes), edges_(edges) {}

  Layered result() {
    if (boxes_.empty()) return {};
    assign_layers();
    add_items();
    reduce_crossings();
    place_across();
    return finish();
  }

 private:
  static std::size_t at(int index) { return static_cast<std::size_t>(index); }
  Item& item(int index) { return items_[at(index)]; }

  // Layers ---------------------------------------------------------------------------------------

  void assign_layers() {
    const std::size_t count = boxes_.size();
    const bool entries = std::any_of(boxes_.begin(), boxes_.end(), [](const LayeredBox& box) {
      return box.pin == LayeredBox::Pin::kFirst;
    });
    layer_.assign(count, 0);
    has_in_.assign(count, false);
    has_out_.assign(count, false);
    std::vector<int> by_source(edges_.size());
    std::iota(by_source.begin(), by_source.end(), 0);
    std::stable_sort(by_source.begin(), by_source.end(),
                     [&](int a, int b) { return edges_[at(a)].from < edges_[at(b)].from; });
    for (const int index : by_source) {
      const LayeredEdge& edge = edges_[at(index)];
      layer_[at(edge.to)] = std::max(layer_[at(edge.to)], layer_[at(edge.from)] + 1);
      has_out_[at(edge.from)] = has_in_[at(edge.to)] = true;
    }
    // What begins somewhere stands right before what reads it first.
    std::vector<int> reader(count, std::numeric_limits<int>::max());
    for (const LayeredEdge& edge : edges_) {
      if (boxes_[at(edge.to)].pin == LayeredBox::Pin::kLast) continue;
      reader[at(edge.from)] = std::min(reader[at(edge.from)], layer_[at(edge.to)]);
    }
    int last = entries ? 1 : 0;
    for (std::size_t i = 0; i < count; ++i) {
      const bool begins = !has_in_[i] && boxes_[i].pin == LayeredBox::Pin::kFree;
      if (begins && reader[i] != std::numeric_limits<int>::max()) layer_[i] = reader[i] - 1;
      if (boxes_[i].pin != LayeredBox::Pin::kLast) last = std::max(last, layer_[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (boxes_[i].pin == LayeredBox::Pin::kLast) layer_[i] = last + 1;
    }
    layers_.resize(at(*std::max_element(layer_.begin(), layer_.end())) + 1);
  }

  // Items and links ------------------------------------------------------------------------------

  void add_items() {
    for (std::size_t i = 0; i < boxes_.size(); ++i) add_item(boxes_[i].across, layer_[i], false);
    // For each place that edges leave from, where they cross the layers after it.
    std::map<std::pair<int, double>, std::vector<int>> ways;
    for (const LayeredEdge& edge : edges_) {
      std::vector<int>& way = ways[{edge.from, edge.from_at}];
      const int first = layer_[at(edge.from)] + 1;
      const int last = layer_[at(edge.to)];
      while (first + static_cast<int>(way.size()) < last) {
        const int layer = first + static_cast<int>(way.size());
        const int previous = way.empty() ? edge.from : way.back();
        way.push_back(add_item(0, layer, true));
        add_link(previous, way.size() == 1 ? edge.from_at : 0, way.back(), 0);
      }
      std::vector<int>& path = paths_.emplace_back();
      path.assign(way.begin(), way.begin() + (last - first));
      const double to_at = edge.to_at.value_or(boxes_[at(edge.to)].across / 2);
      add_link(path.empty() ? edge.from : path.back(), path.empty() ? edge.from_at : 0, edge.to,
               to_at);
    }
    for (auto& [source, way] : ways) {
      if (way.size() > 1) ways_.push_back(std::move(way));
    }
  }

  int add_item(double size, int layer, bool crossing) {
    const int index = static_cast<int>(items_.size());
    std::vector<int>& members = layers_[at(layer)];
    items_.push_back({size, layer, crossing, 0, static_cast<int>(members.size())});
    members.push_back(index);
    before_.emplace_back();
    after_.emplace_back();
    return index;
  }

  void add_link(int from, double from_at, int to, double to_at) {
    const int crossings = (item(from).crossing ? 1 : 0) + (item(to).crossing ? 1 : 0);
    constexpr double kWeights[] = {1, 2, 8};  // long edges are to be straight
    const int index = static_cast<int>(links_.size());
    links_.push_back({from, to, from_at, to_at, kWeights[crossings]});
    after_[at(from)].push_back(index);
    before_[at(to)].push_back(index);
  }

  // Order in a layer -----------------------------------------------------------------------------

  /// Where on its item a link ends, as a position among the items of the layer.
  double position(int index, double offset) {
    return item(index).order + (offset + 1) / (item(index).size + 2);
  }

  void reduce_crossings() {
    constexpr std::size_t kWork = 1'000'000;
    const std::size_t sweeps = std::clamp<std::size_t>(kWork / (items_.size() + 1), 4, 24);
    std::vector<std::vector<int>> best = layers_;
    std::int64_t least = crossings();
    for (std::size_t sweep = 0; sweep < sweeps && least > 0; ++sweep) {
      const bool forward = sweep % 2 == 0;
      for (std::size_t i = 1; i < layers_.size(); ++i) {
        sort_layer(forward ? layers_[i] : layers_[layers_.size() - 1 - i], forward);
      }
      const std::int64_t now = crossings();
      if (now >= least) continue;
      least = now;
      best = layers_;
    }
    layers_ = std::move(best);
    for (std::vector<int>& layer : layers_) renumber(layer);
  }

  void renumber(const std::vector<int>& layer) {
    for (std::size_t i = 0; i < layer.size(); ++i) item(layer[i]).order = static_cast<int>(i);
  }

  /// By the mean position of the neighbours; items without any keep their place.
  void sort_layer(std::vector<int>& layer, bool forward) {
    std::vector<std::pair<double, int>> movable;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < layer.size(); ++i) {
      const std::vector<int>& links = (forward ? before_ : after_)[at(layer[i])];
      if (links.empty()) continue;
      double sum = 0;
      for (const int index : links) {
        const Link& link = links_[at(index)];
        sum += forward ? position(link.from, link.from_at) : position(link.to, link.to_at);
      }
      movable.emplace_back(sum / static_cast<double>(links.size()), layer[i]);
      places.push_back(i);
    }
    std::stable_sort(movable.begin(), movable.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < places.size(); ++i) layer[places[i]] = movable[i].second;
    renumber(layer);
  }

  std::int64_t crossings() {
    std::int64_t sum = 0;
    std::vector<std::pair<double, double>> ends;
    for (const std::vector<int>& layer : layers_) {
      ends.clear();
      for (const int index : layer) {
        for (const int each : after_[at(index)]) {
          const Link& link = links_[at(each)];
          ends.emplace_back(position(link.from, link.from_at), position(link.to, link.to_at));
        }
      }
      sum += inversions(ends);
    }
    return sum;
  }

  /// Pairs in the opposite order at both ends, by counting them in a Fenwick tree.
  static std::int64_t inversions(std::vector<std::pair<double, double>>& ends) {
    std::sort(ends.begin(), ends.end());
    std::vector<double> values;
    values.reserve(ends.size());
    for (const auto& end : ends) values.push_back(end.second);
    std::sort(values.begin(), values.end());
    std::vector<std::int64_t> tree(values.size() + 1, 0);
    std::int64_t sum = 0;
    for (std::size_t seen = 0; seen < ends.size(); ++seen) {
      const auto found = std::upper_bound(values.begin(), values.end(), ends[seen].second);
      const auto rank = static_cast<std::size_t>(found - values.begin());
      sum += static_cast<std::int64_t>(seen);
      for (std::size_t i = rank; i > 0; i &= i - 1) sum -= tree[i];
      for (std::size_t i = rank; i < tree.size(); i += i & (~i + 1)) ++tree[i];
    }
    return sum;
  }

  // Places across --------------------------------------------------------------------------------

  double gap(int left, int right) {
    const bool both = item(left).crossing && item(right).crossing;
    const bool one = item(left).crossing || item(right).crossing;
    return both ? kEdgeGap : one ? kEdgeGap + 4 : kBoxGap;
  }

  void place_across() {
    for (const std::vector<int>& layer : layers_) {
      double end = 0;
      for (std::size_t i = 0; i < layer.size(); ++i) {
        if (i > 0) end += gap(layer[i - 1], layer[i]);
        item(layer[i]).place = end;
        end += item(layer[i]).size;
      }
    }
    constexpr int kRounds = 16;
    for (int round = 0; round < kRounds; ++round) {
      const bool forward = round % 2 == 0;
      const bool settled = round >= kRounds - 4;  // now both sides count
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        align(layers_[forward ? i : layers_.size() - 1 - i], forward || settled,
              !forward || settled);
      }
    }
    for (const std::vector<int>& way : ways_) straighten(way);
    double least = std::numeric_limits<double>::max();
    for (const Item& each : items_) least = std::min(least, each.place);
    for (Item& each : items_) each.place -= least;
  }

  /// Moves a layer's items towards their neighbours: least squares under their order and gaps, by
  /// pooling adjacent items that want to be on the wrong side of each other.
  void align(const std::vector<int>& layer, bool to_before, bool to_after) {
    struct Pool {
      double target, weight;
      std::size_t items;
    };
    std::vector<double> shift;  // of each item behind the first, if all are packed
    std::vector<Pool> pools;
    for (std::size_t i = 0; i < layer.size(); ++i) {
      const double packed =
          i == 0 ? 0 : shift.back() + item(layer[i - 1]).size + gap(layer[i - 1], layer[i]);
      shift.push_back(packed);
      const auto [place, weight] = wish(layer[i], to_before, to_after);
      pools.push_back({place - packed, weight, 1});
      while (pools.size() > 1 && pools.back().target < pools[pools.size() - 2].target) {
        const Pool last = pools.back();
        pools.pop_back();
        Pool& pool = pools.back();
        const double sum = pool.weight + last.weight;
        pool.target = (pool.target * pool.weight + last.target * last.weight) / sum;
        pool.weight = sum;
        pool.items += last.items;
      }
    }
    std::size_t next = 0;
    for (const Pool& pool : pools) {
      for (std::size_t i = 0; i < pool.items; ++i, ++next) {
        item(layer[next]).place = pool.target + shift[next];
      }
    }
  }

  /// Where an item would best be, and how much that counts.
  std::pair<double, double> wish(int index, bool to_before, bool to_after) {
    constexpr double kStay = 0.01;
    double weight = kStay;
    double sum = kStay * item(index).place;
    if (to_before) {
      for (const int each : before_[at(index)]) {
        const Link& link = links_[at(each)];
        sum += link.weight * (item(link.from).place + link.from_at - link.to_at);
        weight += link.weight;
      }
    }
    if (to_after) {
      for (const int each : after_[at(index)]) {
        const Link& link = links_[at(each)];
        sum += link.weight * (item(link.to).place + link.to_at - link.from_at);
        weight += link.weight;
      }
    }
    return {sum / weight, weight};
  }

  /// Puts the crossings of an edge in line where their neighbours leave room; least squares would
  /// spread a bend over all of them.
  void straighten(const std::vector<int>& way) {
    for (std::size_t first = 0; first < way.size();) {
      double low = std::numeric_limits<double>::lowest();
      double high = std::numeric_limits<double>::max();
      double sum = 0;
      std::size_t end = first;
      for (; end < way.size(); ++end) {
        const auto [from, to] = room(way[end]);
        if (std::max(low, from) > std::min(high, to)) break;
        low = std::max(low, from);
        high = std::min(high, to);
        sum += item(way[end]).place;
      }
      if (end == first) {  // no room at all: the sweeps left it a hair too near
        ++first;
        continue;
      }
      const double place = std::clamp(sum / static_cast<double>(end - first), low, high);
      for (; first < end; ++first) item(way[first]).place = place;
    }
  }

  /// Between what an item can move.
  std::pair<double, double> room(int index) {
    const std::vector<int>& layer = layers_[at(item(index).layer)];
    const int order = item(index).order;
    double low = std::numeric_limits<double>::lowest();
    double high = std::numeric_limits<double>::max();
    if (order > 0) {
      const int left = layer[at(order) - 1];
      low = item(left).place + item(left).size + gap(left, index);
    }
    if (at(order) + 1 < layer.size()) {
      const int right = layer[at(order) + 1];
      high = item(right).place - gap(index, right) - item(index).size;
    }
    return {low, high};
  }

  // Places along the flow, and the edges' ways ---------------------------------------------------

  Layered finish() {
    Layered layered;
    std::vector<double> begin(layers_.size()), end(layers_.size());
    double along = 0;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      begin[i] = along;
      double size = 0;
      for (const int index : layers_[i]) {
        if (!item(index).crossing) size = std::max(size, boxes_[at(index)].along);
        layered.across = std::max(layered.across, item(index).place + item(index).size);
      }
      end[i] = along + size;
      along = end[i] + (i + 1 < layers_.size() ? gap_after(layers_[i]) : 0);
    }
    layered.along = along;
    for (std::size_t i = 0; i < boxes_.size(); ++i) {
      const std::size_t layer = at(layer_[i]);
      // Near its readers if nothing comes before it, else near what it reads.
      const bool late = !has_in_[i] && boxes_[i].pin == LayeredBox::Pin::kFree && has_out_[i];
      layered.boxes.push_back(
          {items_[i].place, late ? end[layer] - boxes_[i].along : begin[layer]});
    }
    const std::vector<double> arrivals = arrive();
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      const LayeredEdge& edge = edges_[i];
      std::vector<Stretch>& stretches = layered.edges.emplace_back();
      const std::size_t first = at(layer_[at(edge.from)]);
      const std::size_t last = at(layer_[at(edge.to)]);
      const auto add = [&](const Stretch& next) {
        if (stretches.empty() || std::abs(stretches.back().across - next.across) > kInLine) {
          stretches.push_back(next);
        } else {
          stretches.back().end = next.end;
        }
      };
      add({item(edge.from).place + edge.from_at,
           layered.boxes[at(edge.from)].along + boxes_[at(edge.from)].along, end[first]});
      for (std::size_t step = 0; step < paths_[i].size(); ++step) {
        const std::size_t layer = first + 1 + step;
        add({item(paths_[i][step]).place, begin[layer], end[layer]});
      }
      add({arrivals[i], begin[last], layered.boxes[at(edge.to)].along});
    }
    return layered;
  }

  /// The farther sideways the edges go, the more room they get.
  double gap_after(const std::vector<int>& layer) {
    double farthest = 0;
    for (const int index : layer) {
      for (const int each : after_[at(index)]) {
        const Link& link = links_[at(each)];
        farthest = std::max(farthest, std::abs(item(link.from).place + link.from_at -
                                               item(link.to).place - link.to_at));
      }
    }
    return std::clamp(kLayerGap + (farthest - 100) / 12, kLayerGap, 3 * kLayerGap);
  }

  /// Where each edge meets its box: as it comes, straight if it can.
  std::vector<double> arrive() {
    std::vector<double> arrivals(edges_.size());
    std::vector<std::vector<std::pair<double, std::size_t>>> free(boxes_.size());
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      const LayeredEdge& edge = edges_[i];
      const Item& box = item(edge.to);
      if (edge.to_at) {
        arrivals[i] = box.place + *edge.to_at;
      } else {
        const double source =
            paths_[i].empty() ? item(edge.from).place + edge.from_at : item(paths_[i].back()).place;
        free[at(edge.to)].emplace_back(source, i);
      }
    }
    for (std::size_t box = 0; box < free.size(); ++box) {
      auto& edges = free[box];
      if (edges.empty()) continue;
      std::sort(edges.begin(), edges.end());
      const double middle = items_[box].place + items_[box].size / 2;
      const double room = 0.36 * items_[box].size;
      const auto last = static_cast<double>(edges.size() - 1);
      const double gap = std::min(kArrivalGap, last > 0 ? 2 * room / last : 0);
      for (std::size_t i = 0; i < edges.size(); ++i) {
        const double regular = middle + (static_cast<double>(i) - last / 2) * gap;
        const double slack = edges.size() == 1 ? room : gap * 0.4;
        const double source = edges[i].first;
        arrivals[edges[i].second] = std::abs(source - regular) <= slack ? source : regular;
      }
    }
    return arrivals;
  }

  std::span<const LayeredBox> boxes_;
  std::span<const LayeredEdge> edges_;
  std::vector<int> layer_;  // of each box
  std::vector<bool> has_in_, has_out_;
  std::vector<Item> items_;  // the boxes, then the crossings
  std::vector<Link> links_;
  std::vector<std::vector<int>> before_, after_;  // links of each item
  std::vector<std::vector<int>> layers_;          // items in order
  std::vector<std::vector<int>> paths_;           // crossings of each edge
  std::vector<std::vector<int>> ways_;            // crossings of edges that share their way
};

}  // namespace

Layered lay_out_layers(std::span<const LayeredBox> boxes, std::span<const LayeredEdge> edges) {
  return Layering(boxes, edges).result();
}

}  // namespace hypernodes::draw
